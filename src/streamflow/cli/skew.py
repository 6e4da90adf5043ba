"""The command skew, and its receipt in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import JsonFlag, invocation, parse_instant, show

if TYPE_CHECKING:
    from streamflow.steps.monitoring.skew import SkewReceipt

SHOWN = 5  # values of each cause for people; --json lists more


def register(app: typer.Typer) -> None:
    """Add this command to `app`."""
    app.command("skew")(skew)


def skew(
    context: typer.Context,
    sample: Annotated[
        int,
        typer.Option(
            "--sample", min=1, metavar="N", help="How many answers, at random by the seed."
        ),
    ] = 1000,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--since",
            parser=parse_instant,
            metavar="INSTANT",
            help="Only answers since then (default: all that are kept).",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Hold logged answers against the same values made offline for their instant, bit for bit, and name what made them differ.

    stale: the online store held an older drop than was known. late: a correction came after the answer. type: the same value in
    another type or precision. code: another code made it. Exit code 1 when a value or a probability is not what belongs there.

    Example: streamflow skew --sample 500

    Example: streamflow skew --since 2024-03-01 --json
    """
    from streamflow.steps.monitoring.skew import skew as step

    with invocation(context).platform() as platform:
        receipt = step(platform, sample=sample, since=since)
    show(receipt, as_json=as_json, text=text)
    raise typer.Exit(0 if receipt.holds else 1)


def text(r: SkewReceipt) -> str:
    """The first values of each cause, what could not be compared, and the verdict."""
    since = f" since {r.since.isoformat()}" if r.since else ""
    lines = [f"{r.model}: {r.sampled:,} logged answers{since}, sampled with seed {r.seed}"]
    lines += [
        line for cause, count in r.causes.items() if count for line in _cause(r, cause, count)
    ]
    lines += [f"  {one}" for one in r.wrong[:SHOWN]]
    lines += (
        [f"  … and {r.differ - SHOWN:,} probabilities more (--json lists them)"]
        if r.differ > SHOWN
        else []
    )
    lines += [f"  note: {count:,} {why}" for why, count in r.not_comparable.items()]
    equal = f"{r.compared - r.skewed:,} of {r.compared:,} values are equal bit for bit"
    causes = ", ".join(f"{cause} {count:,}" for cause, count in r.causes.items() if count)
    again = f"{r.probabilities - r.differ:,} of {r.probabilities:,} probabilities"
    return "\n".join(
        [*lines, f"[{'OK' if r.holds else 'NO'}] {equal}{f'; {causes}' if causes else ''}; {again}"]
    )


def _cause(r: SkewReceipt, cause: str, count: int) -> Iterator[str]:
    listed = [one for one in r.found if one.cause == cause][:SHOWN]
    yield from (f"  {one}" for one in listed)
    if count > len(listed):
        yield f"  … and {count - len(listed):,} {cause} more (--json lists them)"
