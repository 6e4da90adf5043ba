"""Print the receipts of score and explain as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.core.data.counts import choose_form, count_of
from streamflow.core.statistics.threshold import format_threshold

if TYPE_CHECKING:
    from streamflow.core.serving.reasons import Explanation
    from streamflow.steps.serving.explain import ExplainedPrediction
    from streamflow.steps.serving.score import ScoreReceipt


def score(receipt: ScoreReceipt) -> str:
    """Print what was read, how many rows were scored, and where the scores are."""
    run = receipt.run
    lines = [f"  {revision}" for revision in receipt.revisions]
    if run.missing:
        verb = choose_form(run.missing, "has", "have")
        lines.append(
            f"  {count_of(run.missing, 'row')} {verb} no probability: the value of a feature"
            " that must have one is missing or too old"
        )
    lines += [f"  note: {remark}" for remark in receipt.remarks]
    if receipt.out:
        lines.append(f"  written to {receipt.out}")
    facts = (
        f"as_of={run.as_of:%Y-%m-%d} version={run.version} rows={run.rows:,}"
        f" flagged={run.flagged:,} threshold={format_threshold(run.threshold)} run={run.id}"
        f" digest={run.digest[:16]}"
    )
    earlier = (
        "" if receipt.new else f", no change: scored before, at {run.at:%Y-%m-%d %H:%M:%S} UTC"
    )
    lines.append(f"[OK] scored {facts}{earlier}")
    return "\n".join(lines)


def explain(receipt: ExplainedPrediction, top: int) -> str:
    """Print the base, the largest contributions and the calibration, and their sum.

    The sum is the served probability, in the unit of the explanation.
    """
    explanation = receipt.explanation
    remaining = explanation.contributions[top:]
    lines = [
        f"  {explanation.base:7.4f}  average output of version {receipt.version} on its training"
        f" side, before calibration ({explanation.unit})"
    ]
    lines += [f"  {contribution}" for contribution in explanation.top(top)]
    if remaining:
        total = sum(contribution.contribution for contribution in remaining)
        lines.append(f"  {total:+.4f}  the remaining {count_of(len(remaining), 'feature')}")
    if explanation.calibration:
        lines.append(f"  {explanation.calibration:+.4f}  calibration")
    lines.append(
        f"  {explanation.served:7.4f}  prediction for {receipt.key}{_unit_note(explanation)}"
    )
    lines.append(
        f"[OK] {receipt.key} prediction={receipt.prediction} probability={receipt.probability}"
        f" version={receipt.version} as_of={receipt.as_of:%Y-%m-%d}"
    )
    return "\n".join(lines)


def _unit_note(explanation: Explanation) -> str:
    return "" if explanation.unit == "probability" else f", as {explanation.unit}"
