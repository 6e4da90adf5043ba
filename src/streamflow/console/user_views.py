"""Parts of the page of a user: small charts, and the explanation of today's answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from streamflow.console import charts, formats
from streamflow.console.state import ConsoleState
from streamflow.console.texts import Texts
from streamflow.core.serving.reasons import Contribution
from streamflow.errors import StreamflowError
from streamflow.platform import Platform
from streamflow.steps.serving.user_record import UserRecord, ValueHistory

REASONS_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One column on the page: what people call it, its newest value, and a small chart."""

    label: str
    now: str
    chart: Markup


@dataclass(frozen=True, kw_only=True)
class ExplainedToday:
    """The explanation of today's answer, or the problem that prevents it."""

    problem: str = ""
    version: int = 0
    probability: float = 0.0
    as_of: datetime | None = None
    contributions: tuple[Contribution, ...] = ()
    largest: float = 0.0


def list_histories(record: UserRecord) -> list[HistoryRow]:
    """List the columns of a user with their charts. A text has no chart."""
    return [
        HistoryRow(
            label=history.label,
            now=formats.format_value(history.now),
            chart=_draw_history(history),
        )
        for history in record.values
    ]


def draw_probabilities(texts: Texts, record: UserRecord) -> Markup:
    """Draw the probability of each scored drop; one drop alone makes no line."""
    scored = [answer for answer in reversed(record.answers) if answer.source == "score"]
    if len(scored) < 2:
        return Markup("")
    title = texts.get("user.history")
    line = charts.Line(
        tone="expected",
        title=title,
        values=tuple(answer.probability for answer in scored),
    )
    labels = [formats.format_day(answer.as_of) for answer in scored]
    return charts.draw_shares(labels, [line], title)


def _draw_history(history: ValueHistory) -> Markup:
    numbers: list[float | None] = []
    for value in history.series:
        if isinstance(value, str):
            return Markup("")
        numbers.append(None if value is None else float(value))
    if len(numbers) < 2:
        return Markup("")
    shown = ", ".join(formats.format_value(value) for value in history.series)
    return charts.draw_sparkline(numbers, f"{history.label}: {shown}")


def explain_today(state: ConsoleState, platform: Platform, key: str) -> ExplainedToday:
    """Explain today's answer; a problem is shown on the page, beside what is known anyway."""
    try:
        answer = state.explain(platform, key, datetime.now(UTC))
    except StreamflowError as error:
        return ExplainedToday(problem=error.message)
    contributions = answer.explanation.top(REASONS_SHOWN)
    return ExplainedToday(
        version=answer.version,
        probability=answer.probability,
        as_of=answer.as_of,
        contributions=contributions,
        largest=max((abs(c.contribution) for c in contributions), default=0.0),
    )
