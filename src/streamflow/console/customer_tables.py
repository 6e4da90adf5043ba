"""The tables of the pages about users, made from the receipts of their steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from streamflow.console import formats
from streamflow.console.pages import user_address
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.core.serving.segments import SegmentColumn
from streamflow.steps.serving.at_risk import RiskList, StoredReason, UserAtRisk
from streamflow.steps.serving.portfolio import Portfolio, Segment, TrendPoint
from streamflow.steps.serving.user_record import AnswerAbout, UserRecord

# A table with more columns does not fit on a page.
MAX_SEGMENT_COLUMNS_SHOWN = 3

# A reason raises the probability, or lowers it.
ARROWS = {"up": "▲", "down": "▼"}

TONES = {"up": "up", "down": "down", "same": "", "new": ""}

# The names of the tables of the portfolio that are no segment.
PORTFOLIO_TABLES = ("trend", "cohorts")


def segment_text(texts: Texts, column_is_bool: bool, value: str | None) -> str:
    """Write a category: a bool as yes or no."""
    if value is None:
        return texts.get("at_risk.no_value")
    return formats.format_value(value == "true") if column_is_bool else value


def name_segment(name: str, own_names: Collection[str]) -> str:
    """Return the name of a segment column in CSV and in addresses, different from our own names.

    >>> name_segment("trend", ["trend"]), name_segment("contract_type", ["trend"])
    ('segment.trend', 'contract_type')
    """
    return f"segment.{name}" if name in own_names else name


def risk_table(texts: Texts, risks: RiskList, columns: Sequence[SegmentColumn]) -> PageTable:
    """Make the table of the users at risk."""
    shown = [column for column in columns if column.name in risks.filter.segments]
    shown += [column for column in columns if not column.is_bool and column not in shown]
    shown = shown[:MAX_SEGMENT_COLUMNS_SHOWN]
    titles = [PageColumn(name="user", title=texts.get("at_risk.user"))]
    if risks.kept_value is not None:
        title = texts.get("at_risk.value_at_risk")
        titles.append(PageColumn(name="value_at_risk", title=title, kind="number"))
    titles += [
        PageColumn(name="probability", title=texts.get("at_risk.probability"), kind="number"),
        PageColumn(name="change", title=texts.get("at_risk.change"), kind="number"),
        PageColumn(name="reasons", title=texts.get("at_risk.reasons")),
    ]
    own_names = [title.name for title in titles]
    titles += [
        PageColumn(name=name_segment(column.name, own_names), title=column.label)
        for column in shown
    ]
    rows = [_risk_row(texts, risks, user, shown) for user in risks.users]
    return PageTable(
        name="users",
        caption=texts.get("at_risk.title"),
        columns=tuple(titles),
        rows=tuple(rows),
    )


def _risk_row(
    texts: Texts,
    risks: RiskList,
    user: UserAtRisk,
    shown: Sequence[SegmentColumn],
) -> tuple[Cell, ...]:
    cells = [Cell(user.key, link=user_address(user.key))]
    if risks.kept_value is not None:
        cells.append(Cell(user.value_at_risk, formats.format_number(user.value_at_risk)))
    percent = formats.format_percent(user.probability, 1)
    change = formats.format_points(user.change)
    if user.earlier is None and risks.compared_as_of is not None:
        change = texts.get("at_risk.new")
    cells += [
        Cell(user.probability, percent, bar=user.probability),
        Cell(user.change, change, tone=TONES[user.move]),
        reasons_cell(texts, user.reasons),
    ]
    for column in shown:
        value = user.segments[column.name]
        cells.append(Cell(value, segment_text(texts, column.is_bool, value)))
    return tuple(cells)


def reasons_cell(texts: Texts, reasons: Sequence[StoredReason]) -> Cell:
    """Make the cell of the reasons: a line for each, with its direction."""
    lines = []
    for reason in reasons:
        value = formats.format_value(reason.value)
        line = texts.get("at_risk.reason", label=reason.label, value=value)
        lines.append(("up" if reason.contribution > 0 else "down", line))
    text = "; ".join(f"{ARROWS[tone]} {line}" for tone, line in lines)
    return Cell(text or None, text or formats.NOTHING, lines=tuple(lines))


def values_table(texts: Texts, record: UserRecord) -> PageTable:
    """Make the table of the values: the newest one, and those of each drop as CSV."""
    titles = [
        PageColumn(name="column", title=texts.get("user.column")),
        PageColumn(name="now", title=texts.get("user.now"), kind="number"),
        *(
            PageColumn(name=formats.format_day(drop), title=formats.format_day(drop), kind="number")
            for drop in record.drops
        ),
    ]
    rows = []
    for history in record.values:
        series = [Cell(value, formats.format_value(value)) for value in history.series]
        now = Cell(history.now, formats.format_value(history.now))
        rows.append((Cell(history.name, history.label), now, *series))
    return PageTable(
        name="values",
        caption=texts.get("user.values_by_drop"),
        columns=tuple(titles),
        rows=tuple(rows),
    )


def answers_table(texts: Texts, record: UserRecord) -> PageTable:
    """Make the table of the newest answers about a user."""
    titles = (
        PageColumn(name="as_of", title=texts.get("user.answer_day")),
        PageColumn(name="at", title=texts.get("user.answer_at")),
        PageColumn(name="by", title=texts.get("user.answer_source")),
        PageColumn(name="version", title=texts.get("user.version"), kind="number"),
        PageColumn(name="probability", title=texts.get("user.probability"), kind="number"),
        PageColumn(name="advice", title=texts.get("user.answer_decision")),
    )
    rows = [_answer_row(texts, answer) for answer in record.answers]
    return PageTable(
        name="answers",
        caption=texts.get("user.answers"),
        columns=titles,
        rows=tuple(rows),
    )


def _answer_row(texts: Texts, answer: AnswerAbout) -> tuple[Cell, ...]:
    if answer.probability is None:
        advice = texts.get("user.no_answer", names=answer.missing or formats.NOTHING)
    else:
        advice = texts.get("user.offer" if answer.flagged else "user.no_offer")
    return (
        Cell(answer.as_of.date().isoformat(), moment=answer.as_of),
        Cell(answer.at, formats.format_instant(answer.at)),
        Cell(answer.source, texts.get(f"user.source_{answer.source}")),
        Cell(answer.version),
        Cell(answer.probability, formats.format_percent(answer.probability, 1)),
        Cell(advice),
    )


def segment_table(texts: Texts, portfolio: Portfolio, segment: Segment, is_bool: bool) -> PageTable:
    """Make the table of one segment column."""
    titles = [
        PageColumn(name="users", title=texts.get("portfolio.users"), kind="number"),
        PageColumn(name="expected", title=texts.get("portfolio.expected"), kind="number"),
        PageColumn(
            name="expected_share", title=texts.get("portfolio.expected_share"), kind="number"
        ),
    ]
    if portfolio.kept_value is not None:
        title = texts.get("portfolio.value_at_risk")
        titles.append(PageColumn(name="value_at_risk", title=title, kind="number"))
    name = name_segment(segment.name, [title.name for title in titles])
    titles.insert(0, PageColumn(name=name, title=texts.get("portfolio.category")))
    rows = []
    for category in segment.categories:
        share = category.expected_share
        cells = [
            Cell(
                category.value,
                segment_text(texts, is_bool, category.value),
                link=f"/at-risk?s.{segment.name}={_query_value(category.value)}",
            ),
            Cell(category.users, formats.format_number(category.users)),
            Cell(category.expected, formats.format_number(category.expected)),
            Cell(share, formats.format_percent(share, 1), bar=share),
        ]
        if portfolio.kept_value is not None:
            value = category.value_at_risk
            cells.append(Cell(value, formats.format_number(value)))
        rows.append(tuple(cells))
    return PageTable(
        name=name_segment(segment.name, PORTFOLIO_TABLES),
        caption=segment.label,
        columns=tuple(titles),
        rows=tuple(rows),
    )


def _query_value(value: str | None) -> str:
    from urllib.parse import quote_plus

    return quote_plus(value or "")


def trend_table(texts: Texts, portfolio: Portfolio) -> PageTable:
    """Make the table behind the chart of the trend, the newest drop first."""
    titles = [
        PageColumn(name="as_of", title=texts.get("portfolio.drop")),
        PageColumn(name="version", title=texts.get("portfolio.version"), kind="number"),
        PageColumn(name="users", title=texts.get("portfolio.users"), kind="number"),
        PageColumn(
            name="expected_share", title=texts.get("portfolio.expected_share"), kind="number"
        ),
        PageColumn(name="churned_share", title=texts.get("portfolio.left"), kind="number"),
        PageColumn(name="labelled", title=texts.get("portfolio.labelled"), kind="number"),
        PageColumn(name="note", title=texts.get("portfolio.note")),
    ]
    return PageTable(
        name="trend",
        caption=texts.get("portfolio.trend"),
        columns=tuple(titles),
        rows=tuple(_trend_row(texts, point) for point in reversed(portfolio.trend)),
    )


def _trend_row(texts: Texts, point: TrendPoint) -> tuple[Cell, ...]:
    is_marked = not point.is_honest and point.churned_share is not None
    return (
        Cell(point.as_of.date().isoformat(), moment=point.as_of),
        Cell(point.version),
        Cell(point.users, formats.format_number(point.users)),
        Cell(point.expected_share, formats.format_percent(point.expected_share, 1)),
        Cell(point.churned_share, formats.format_percent(point.churned_share, 1)),
        Cell(point.labelled, formats.format_number(point.labelled)),
        Cell(texts.get("portfolio.trained_on") if is_marked else ""),
    )
