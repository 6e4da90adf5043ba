"""Print the receipts of export, import and prune as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.data.counts import choose_form, count_of

if TYPE_CHECKING:
    from streamflow.steps.upkeep.move_to_lake import MoveReceipt
    from streamflow.steps.upkeep.prune import PruneReceipt
    from streamflow.steps.versions.export import ExportReceipt
    from streamflow.steps.versions.import_version import ImportReceipt


def export(receipt: ExportReceipt) -> str:
    """Print what the exported file contains."""
    revisions = count_of(receipt.revisions, "frozen revision")
    rows = count_of(receipt.rows, "row")
    content = f"  {revisions} with {rows}, passport {receipt.passport_digest[:16]}"
    result = (
        f"[OK] exported {receipt.model} version {receipt.version} to {receipt.file}"
        f" ({receipt.bytes / 1e6:,.1f} MB) in {receipt.seconds:.1f} s"
    )
    return f"{content}\n{result}"


def import_version(receipt: ImportReceipt) -> str:
    """Print the number and the run id that an imported version has here."""
    version = f"{receipt.model} version {receipt.version}"
    if receipt.already:
        return f"[OK] no change: this version is here already, as {version}"
    revisions = count_of(receipt.revisions, "revision")
    lines = [f"  frozen: {revisions} with {count_of(receipt.rows, 'row')}"]
    lines += [f"  note: {note}" for note in receipt.notes]
    lines.append(f"[OK] imported {version}, run_id={receipt.run_id} in {receipt.seconds:.1f} s")
    return "\n".join(lines)


def prune(receipt: PruneReceipt) -> str:
    """Print one line for each revision, run and month that is removed, and the totals."""
    lines = []
    for revision in receipt.revisions:
        rows = count_of(revision.rows, "row", width=9)
        name = f"{revision.table:20} {revision.as_of:%Y-%m-%d} revision {revision.revision}"
        lines.append(f"  {name}  {rows}")
    lines += [
        f"  run {run.run_id} {run.status:8}  {run.bytes / 1e6:>9,.1f} MB  {run.name}"
        for run in receipt.runs
    ]
    for month in receipt.months:
        note = "  stays: the log is in use" if month.month in receipt.busy else ""
        rows = count_of(month.rows, "row", width=9)
        day = month.month.replace("_", "-")
        lines.append(f"  {'prediction log':20} {day:21}  {rows}{note}")
    if receipt.unknown:
        passports = count_of(receipt.unknown, "passport")
        verb = choose_form(receipt.unknown, "stays", "stay")
        runs = choose_form(receipt.unknown, "its run", "their runs")
        lines.append(f"  note: {passports} {verb}, because this MLflow does not know {runs}")
    verb = "would remove" if receipt.dry_run else "removed"
    remaining = count_of(receipt.revisions_kept, "revision stays", "revisions stay")
    lines.append(f"[OK] {verb} {_describe_removed(receipt)}; {remaining}")
    return "\n".join(lines)


def _describe_removed(receipt: PruneReceipt) -> str:
    """Return how many revisions, runs, months and scores are removed."""
    removed = [
        f"{count_of(len(receipt.revisions), 'revision')} ({count_of(receipt.rows, 'row')})",
        f"the files of {count_of(len(receipt.runs), 'run')} ({receipt.bytes / 1e6:,.1f} MB)",
    ]
    if receipt.months:
        removed_months = len(receipt.months) - len(receipt.busy)
        removed.append(f"{count_of(removed_months, 'month')} of the prediction log")
    removed.append(f"{count_of(len(receipt.scores), 'run')} of 'score'")
    return ", ".join(removed)


def to_lake(receipt: MoveReceipt) -> str:
    """Print how much was moved into the lake."""
    moved = f"{count_of(receipt.revisions, 'revision')} ({count_of(receipt.rows, 'row')})"
    return f"[OK] moved {moved} into {receipt.lake}"
