"""The text that `init` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.steps.data.init import InitReceipt


def describe(receipt: InitReceipt, *, day: str) -> str:
    """Print one line per table, how it is written, what is left to the user, the next command.

    Args:
        day: the date of the drop, or what stands for it.
    """
    files = [table.file for table in receipt.tables]
    lines = []
    for table in receipt.tables:
        rows = f"{count_of(table.rows, 'row', width=9):14}"
        columns = f"{count_of(table.columns, 'column', width=3):11}"
        features = count_of(len(table.features), "feature", width=3)
        is_one_table = files.count(table.file) == 1
        name = table.file if is_one_table else f"{table.file}: {table.table}"
        lines.append(f"  {name:28} {rows}  {columns}  {features}")
    lines += [f"  guessed: {reading}" for reading in receipt.readings]
    lines += [f"  left out: {column}" for column in receipt.left_out]
    lines += [f"  decide: {decision}" for decision in receipt.decisions]
    if receipt.settings is not None:
        lines.append(f"  money: not set; {receipt.settings} says what you can fill in")
    feature_count = sum(len(table.features) for table in receipt.tables)
    lines.append(
        f"[OK] wrote {receipt.out}: key={receipt.key} ({receipt.key_type}) label={receipt.label}"
        f" features={feature_count} model={receipt.model}"
    )
    command = f"streamflow --catalog {receipt.out} run {receipt.folder} --as-of {day}"
    lines.append(f"Check the guesses in {receipt.out}, then run: {command}")
    return "\n".join(lines)
