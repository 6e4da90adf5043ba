"""The command compare, and the text of its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import invocation, show
from streamflow.cli.options import JsonFlag
from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.core.statistics.shapley import MetricChange
    from streamflow.core.versions.level_comparison import Level
    from streamflow.steps.versions.compare import CompareReceipt

# The text shows this many differences of a level, and this many characters of each. --json has all.
MAX_DIFFERENCES = 8
MAX_DIFFERENCE_WIDTH = 130

# The column of a cause is wide enough for a share such as "+0.0123 (100 %)".
MIN_CAUSE_WIDTH = 15


def register(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("compare")(compare)


def compare(
    context: typer.Context,
    run_a: Annotated[
        str, typer.Argument(help="A model version, or the id of its run.", metavar="RUN_A")
    ],
    run_b: Annotated[
        str, typer.Argument(help="The version or run to compare it with.", metavar="RUN_B")
    ],
    as_json: JsonFlag = False,
) -> None:
    """Explain why the metrics of two versions differ.

    The command lists what differs between the two versions. Then it shows how much of the change
    of each metric comes from each cause: the labels, the data of the features, their definitions,
    and the settings. For that it rebuilds both versions, and every combination of their causes.
    It writes nothing.

    Example: streamflow compare 1 2
    """
    from streamflow.steps.versions.compare import compare as step

    with invocation(context).platform() as platform:
        receipt = step(platform, run_a, run_b)
    show(receipt, as_json=as_json, text=format_receipt)


def format_receipt(receipt: CompareReceipt) -> str:
    """Return the text of a receipt.

    It has the levels with their differences, a line for each metric with the share of each cause,
    and a sentence on the change of AUC.
    """
    lines = [
        f"  version {version.version}: as_of={version.as_of} labels={version.label_as_of}"
        f" run_id={version.run_id}"
        for version in (receipt.a, receipt.b)
    ]
    for level in receipt.levels:
        lines += _format_level(level)
    lines += _format_metrics(receipt)
    lines += [f"  note: {note}" for note in receipt.notes]
    lines.append(f"[OK] {count_of(receipt.rebuilds, 'rebuild')}. {receipt.summary}")
    return "\n".join(lines)


def _format_level(level: Level) -> Iterator[str]:
    yield f"  {level.name:14} {'same' if level.is_same else 'differs'}"
    for difference in level.differences[:MAX_DIFFERENCES]:
        yield f"    {shorten(str(difference), MAX_DIFFERENCE_WIDTH, placeholder=' …')}"
    if len(level.differences) > MAX_DIFFERENCES:
        yield f"    and {len(level.differences) - MAX_DIFFERENCES} more"


def _format_metrics(receipt: CompareReceipt) -> Iterator[str]:
    """Yield a table: a row for each metric, a column for each cause."""
    from streamflow.core.statistics.shapley import METRIC_NAMES

    widths = _cause_widths(receipt)
    header = [
        f"{'':17}",
        f"{f'version {receipt.a.version}':>10}",
        f"{f'version {receipt.b.version}':>10}",
        f"{'change':>8}",
    ]
    header += [f"{cause:>{width}}" for cause, width in widths.items()]
    yield "  " + "  ".join(header)
    for change in receipt.metrics:
        cells = [
            f"{METRIC_NAMES[change.metric]:17}",
            f"{change.a:10.4f}",
            f"{change.b:10.4f}",
            f"{change.change:+8.4f}",
        ]
        cells += [f"{_format_share(change, cause):>{width}}" for cause, width in widths.items()]
        yield "  " + "  ".join(cells)


def _cause_widths(receipt: CompareReceipt) -> dict[str, int]:
    """Return the causes in the order in which they first occur, each with its column width."""
    widths: dict[str, int] = {}
    for change in receipt.metrics:
        for share in change.shares:
            widths[share.cause] = max(len(share.cause), MIN_CAUSE_WIDTH)
    return widths


def _format_share(change: MetricChange, cause: str) -> str:
    """Return the share of a cause, such as "+0.0123 (40 %)"; empty if it has none."""
    share = next((share for share in change.shares if share.cause == cause), None)
    if share is None:
        return ""
    percent = f" ({share.percent:.0f} %)" if share.percent is not None else ""
    return f"{share.value:+.4f}{percent}"
