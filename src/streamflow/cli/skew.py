"""The command skew, and the text of its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import invocation, show
from streamflow.cli.options import MAX_NUMBER, JsonFlag, parse_instant
from streamflow.core.data.counts import choose_form, count_of

if TYPE_CHECKING:
    from streamflow.steps.monitoring.skew import SkewReceipt

# The text shows this many values of each cause. --json lists more.
MAX_VALUES = 5


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("skew")(skew)


def skew(
    context: typer.Context,
    sample: Annotated[
        int,
        typer.Option(
            "--sample",
            min=1,
            max=MAX_NUMBER,
            metavar="N",
            help="How many answers to check. The seed chooses them at random.",
        ),
    ] = 1000,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            parser=parse_instant,
            metavar="INSTANT",
            help="Check only answers since this instant (default: all stored answers).",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare logged answers with offline feature values.

    It computes the values of each answer again from frozen rows. They must be equal bit for bit.

    If not, it names the cause. stale: the API used an old value, although a newer drop was already
    frozen. late: a correction arrived after the answer. type: the same value in a different type or
    precision. code: a different code computed it.

    Exit code 1: a value or a probability differs.

    Example: streamflow skew --sample 500

    Example: streamflow skew --since 2024-03-01 --json
    """
    from streamflow.steps.monitoring.skew import skew as step

    with invocation(context).platform() as platform:
        receipt = step(platform, sample=sample, since=since)
    show(receipt, as_json=as_json, text=_format_receipt)
    raise typer.Exit(0 if receipt.holds else 1)


def _format_receipt(receipt: SkewReceipt) -> str:
    """Return the text of a receipt.

    It has the first values of each cause, what could not be compared, and the verdict.
    """
    since = f" since {receipt.since.isoformat()}" if receipt.since else ""
    lines = [
        f"{receipt.model}: {count_of(receipt.sampled, 'logged answer')}{since},"
        f" sampled with seed {receipt.seed}"
    ]
    for cause, count in receipt.causes.items():
        if count:
            lines += _format_cause(receipt, cause, count)
    lines += [f"  {difference}" for difference in receipt.first_differing[:MAX_VALUES]]
    if receipt.differ > MAX_VALUES:
        lines.append(
            f"  … and {receipt.differ - MAX_VALUES:,} probabilities more (--json lists them)"
        )
    lines += [f"  note: {count:,} {reason}" for reason, count in receipt.not_comparable.items()]
    lines.append(_format_verdict(receipt))
    return "\n".join(lines)


def _format_cause(receipt: SkewReceipt, cause: str, count: int) -> Iterator[str]:
    values = [value for value in receipt.first_skewed if value.cause == cause]
    shown = values[:MAX_VALUES]
    for value in shown:
        yield f"  {value}"
    if count > len(shown):
        yield f"  … and {count - len(shown):,} {cause} more (--json lists them)"


def _format_verdict(receipt: SkewReceipt) -> str:
    mark = "OK" if receipt.holds else "NO"
    equal_values = receipt.compared - receipt.skewed
    equal_probabilities = receipt.probabilities - receipt.differ
    causes = [f"{cause} {count:,}" for cause, count in receipt.causes.items() if count]
    verb = choose_form(equal_values, "is", "are")
    clauses = [
        f"{equal_values:,} of {count_of(receipt.compared, 'value')} {verb} equal bit for bit"
    ]
    if causes:
        clauses.append(", ".join(causes))
    total = count_of(receipt.probabilities, "probability", "probabilities")
    verb = choose_form(equal_probabilities, "is", "are")
    clauses.append(f"{equal_probabilities:,} of {total} {verb} equal")
    return f"[{mark}] {'; '.join(clauses)}"
