"""What at-risk, user and portfolio write for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamflow.core.data.counts import count_of

if TYPE_CHECKING:
    from streamflow.steps.serving.at_risk import RiskList
    from streamflow.steps.serving.portfolio import Portfolio
    from streamflow.steps.serving.trust import Trust
    from streamflow.steps.serving.user_record import UserRecord


def _trust(trust: Trust) -> str:
    line = f"as of {trust.as_of:%Y-%m-%d}, by version {trust.version}"
    if trust.calibration is not None:
        example = trust.calibration.example
        caution = "CAUTION, the percentages did not hold: " if example.is_missed else ""
        line += f"; {caution}of 100 users with {example.percent} %, {example.churned_of_100} left"
    return line


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def at_risk(risks: RiskList) -> str:
    """Write the users of a list, one a line."""
    lines = [_trust(risks.trust)]
    for user in risks.users:
        value = "" if user.value_at_risk is None else f"  {user.value_at_risk:10,.0f}"
        change = "" if user.change is None else f"{100 * user.change:+.1f}"
        reasons = "; ".join(f"{reason.label} {reason.value}" for reason in user.reasons)
        line = f"  {user.key:20}  {_percent(user.probability):>7}{value}  {change:>6}  {reasons}"
        lines.append(line.rstrip())
    shown = count_of(len(risks.users), "user")
    goes_on = "; there are more" if risks.next is not None else ""
    lines.append(f"[OK] {shown}{goes_on}")
    return "\n".join(lines)


def user(record: UserRecord) -> str:
    """Write the newest values of a user and the newest answers."""
    lines = [f"{record.key}: {_percent(record.probability)}, {_trust(record.trust)}"]
    lines += [f"  {history.label:40}  {history.now}" for history in record.values]
    for answer in record.answers:
        origin = "scored drop" if answer.source == "score" else "answer"
        lines.append(
            f"  {answer.as_of:%Y-%m-%d}  version {answer.version:>4}"
            f"  {_percent(answer.probability):>7}  {origin}"
        )
    drops = count_of(len(record.drops), "drop")
    lines.append(f"[OK] {drops}, {count_of(len(record.answers), 'answer')}")
    return "\n".join(lines)


def portfolio(receipt: Portfolio) -> str:
    """Write the portfolio by segment and by drop."""
    lines = [_trust(receipt.trust), *_segment_lines(receipt), *_trend_lines(receipt)]
    lines.append(
        f"[OK] {receipt.expected:,.0f} of {count_of(receipt.trust.users, 'user')}"
        f" are expected to leave ({_percent(receipt.expected_share)})"
    )
    return "\n".join(lines)


def _segment_lines(receipt: Portfolio) -> Iterator[str]:
    for segment in receipt.segments:
        yield f"  {segment.label}"
        for category in segment.categories:
            value = "(no value)" if category.value is None else category.value
            yield (
                f"    {value:30}  {count_of(category.users, 'user', width=9)}"
                f"  {_percent(category.expected_share):>7}"
            )


def _trend_lines(receipt: Portfolio) -> Iterator[str]:
    for point in receipt.trend:
        expected = _percent(point.expected_share)
        churned = _percent(point.churned_share)
        yield (
            f"  {point.as_of:%Y-%m-%d}  version {point.version:>4}"
            f"  expected {expected:>7}  left {churned:>7}"
        )
