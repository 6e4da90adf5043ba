"""Receipts of score and explain, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamflow.steps.serving.explain import Reasons
    from streamflow.steps.serving.score import ScoreReceipt


def score(r: ScoreReceipt) -> str:
    """What was read, what was said, and where it is."""
    run = r.run
    lines = [f"  {words}" for words in r.revisions]
    lines += (
        [
            f"  {run.missing:,} rows have no probability: a feature that promises a value has none, or one that is too old"
        ]
        if run.missing
        else []
    )
    lines += [f"  written to {r.out}"] if r.out else []
    facts = f"as_of={run.as_of:%Y-%m-%d} version={run.version} rows={run.rows:,} flagged={run.flagged:,} threshold={run.threshold}"
    new = "" if r.new else f", nothing new: it was scored at {run.at:%Y-%m-%d %H:%M:%S} UTC"
    return "\n".join([*lines, f"[OK] scored {facts} run={run.id} digest={run.digest[:16]}{new}"])


def explain(r: Reasons, top: int) -> str:
    """A line per reason, and what they add up to."""
    found = r.explanation
    shown, rest = found.top(top), found.contributions[top:]
    lines = [
        f"  {found.base:7.4f}  what version {r.version} says of the population ({found.unit})",
        *(f"  {c}" for c in shown),
    ]
    lines += [f"  {sum(c.contribution for c in rest):+.4f}  the other {len(rest)}"] if rest else []
    lines += [f"  {found.margin:7.4f}  what it says of {r.key}"]
    return "\n".join(
        [
            *lines,
            f"[OK] {r.key} prediction={r.prediction} probability={r.probability} version={r.version} as_of={r.as_of:%Y-%m-%d}",
        ]
    )
