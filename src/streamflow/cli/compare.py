"""The command compare, and its receipt in words."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from streamflow.cli.context import JsonFlag, invocation, show

if TYPE_CHECKING:
    from streamflow.core.statistics.shapley import Change, Share
    from streamflow.core.versions.level_comparison import Level
    from streamflow.steps.versions.compare import CompareReceipt

SHOWN, WIDTH = 8, 130  # differences of one level, and characters of one; --json has all


def register(app: typer.Typer) -> None:
    """Add this command to `app`."""
    app.command("compare")(compare)


def compare(
    context: typer.Context,
    run_a: Annotated[
        str, typer.Argument(help="A model version or the id of its run.", metavar="RUN_A")
    ],
    run_b: Annotated[str, typer.Argument(help="Another one.", metavar="RUN_B")],
    as_json: JsonFlag = False,
) -> None:
    """Say what differs between two versions, and how much of the change of each metric each cause is responsible for.

    Both are rebuilt, and every mixture of their labels, features' data, definitions and settings; nothing is written.

    Example: streamflow compare 1 2
    """
    from streamflow.steps.versions.compare import compare as step

    with invocation(context).platform() as platform:
        receipt = step(platform, run_a, run_b)
    show(receipt, as_json=as_json, text=text)


def text(r: CompareReceipt) -> str:
    """The levels with what differs, a line per metric with the share of each cause, the change of AUC in a sentence."""
    sides = [
        f"  version {s.version}: as_of={s.as_of} labels={s.label_as_of} run_id={s.run_id}"
        for s in (r.a, r.b)
    ]
    levels = [line for level in r.levels for line in _level(level)]
    notes = [f"  note: {note}" for note in r.notes]
    return "\n".join(
        [*sides, *levels, *_metrics(r), *notes, f"[OK] {r.rebuilds} rebuilds. {r.words}"]
    )


def _level(level: Level) -> Iterator[str]:
    yield f"  {level.name:14} {'same' if level.same else 'differs'}"
    for difference in level.differences[:SHOWN]:
        yield f"    {shorten(str(difference), WIDTH, placeholder=' …')}"
    if len(level.differences) > SHOWN:
        yield f"    and {len(level.differences) - SHOWN} more"


def _metrics(r: CompareReceipt) -> Iterator[str]:
    from streamflow.core.statistics.shapley import METRICS

    causes = list(dict.fromkeys(share.cause for change in r.metrics for share in change.shares))
    widths = {cause: max(len(cause), 15) for cause in causes}
    a, b = (f"version {s.version}" for s in (r.a, r.b))
    yield "  " + "  ".join(
        [
            f"{'':17}",
            f"{a:>10}",
            f"{b:>10}",
            f"{'change':>8}",
            *(f"{c:>{w}}" for c, w in widths.items()),
        ]
    )
    for change in r.metrics:
        cells = [
            f"{METRICS[change.metric]:17}",
            f"{change.a:10.4f}",
            f"{change.b:10.4f}",
            f"{change.change:+8.4f}",
        ]
        yield "  " + "  ".join(
            [*cells, *(f"{_share(change, cause):>{width}}" for cause, width in widths.items())]
        )


def _share(change: Change, cause: str) -> str:
    found: list[Share] = [share for share in change.shares if share.cause == cause]
    if not found:
        return ""
    percent = f" ({found[0].percent:.0f} %)" if found[0].percent is not None else ""
    return f"{found[0].value:+.4f}{percent}"
