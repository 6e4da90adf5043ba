"""Sentences about the rows that a version flags, and about the money behind its threshold."""

from __future__ import annotations

from collections.abc import Iterator

from streamflow.core.training.decision import HIGHEST_F1, Decision

MONEY_NOT_SET = (
    "money is not set (kept_value, offer_cost, offer_success):"
    " the threshold is the one of the highest F1, and nothing is counted in money"
)


def list_flagging_remarks(decision: Decision, *, flagged: int, rows: int) -> tuple[str, ...]:
    """Say that the money is not set, and that nobody is flagged with what would change it.

    Args:
        decision: The decision of the version.
        flagged: How many of the rows are flagged.
        rows: How many rows have a probability.

    >>> from streamflow.core.training.calibrator import Calibrator
    >>> decision = Decision(threshold=0.9, rule="set", calibrator=Calibrator(), economics=None)
    >>> print(*list_flagging_remarks(decision, flagged=0, rows=4))
    nobody is flagged: none of 4 probabilities reaches the threshold 0.9. The setting 'threshold' \
of the next training would change it.
    >>> list_flagging_remarks(decision, flagged=1, rows=4)
    ()
    """
    return tuple(_find_remarks(decision, flagged, rows))


def _find_remarks(decision: Decision, flagged: int, rows: int) -> Iterator[str]:
    if decision.economics is None and decision.rule == HIGHEST_F1:
        yield MONEY_NOT_SET
    if decision.threshold is None:
        yield _explain_no_offer(decision)
    elif rows and not flagged:
        yield (
            f"nobody is flagged: none of {rows:,} probabilities reaches the threshold"
            f" {decision.threshold:.4g}. The setting 'threshold' of the next training would change"
            " it."
        )


def _explain_no_offer(decision: Decision) -> str:
    """Say why no offer pays, and which settings decide that."""
    economics = decision.economics
    if economics is None:
        return "nobody is flagged: an earlier release stored a threshold above 1."
    settings = (
        f"kept_value={economics.kept_value:.15g}, offer_cost={economics.offer_cost:.15g}"
        f" and offer_success={economics.offer_success:.15g}"
    )
    cure = "A higher kept_value or offer_success, or a lower offer_cost"
    if economics.offer_budget is not None:
        settings += f", within offer_budget={economics.offer_budget:.15g}"
        cure += ", or a larger offer_budget"
    return (
        f"nobody is flagged: with {settings} no offer brings more than it costs."
        f" {cure} would change it, or a 'threshold' of your own: set it and train again."
    )
