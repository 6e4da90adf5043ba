"""The heat map of the portfolio: the expected share of each category, drop by drop."""

from __future__ import annotations

from streamflow.console import formats
from streamflow.console.customer_tables import segment_text
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.steps.serving.portfolio import Portfolio, Segment

# The heat of a cell is one of so many steps, by its share of the largest share.
HEAT_STEPS = 8


def choose_segment(portfolio: Portfolio, name: str) -> Segment | None:
    """Return the segment column with this name, else the first one; None: there is none."""
    candidates = [segment for segment in portfolio.segments if segment.name == name]
    return next(iter([*candidates, *portfolio.segments]), None)


def cohort_table(texts: Texts, portfolio: Portfolio, segment: Segment, is_bool: bool) -> PageTable:
    """Make the table of a segment column: a row for each category, a column for each drop."""
    days = [formats.format_day(point.as_of) for point in portfolio.trend]
    columns = (
        PageColumn(name=segment.name, title=texts.get("portfolio.category")),
        *(PageColumn(name=day, title=day, kind="number") for day in days),
    )
    shares = [share for category in segment.categories for share in category.shares]
    largest = max((share for share in shares if share is not None), default=0.0)
    rows = tuple(
        (
            Cell(category.value, segment_text(texts, is_bool, category.value)),
            *(_heat_cell(share, largest) for share in category.shares),
        )
        for category in segment.categories
    )
    caption = texts.get("portfolio.cohorts_of", column=segment.label)
    return PageTable(name="cohorts", caption=caption, columns=columns, rows=rows)


def _heat_cell(share: float | None, largest: float) -> Cell:
    """Make a cell whose background is the stronger, the larger the share is."""
    text = formats.format_percent(share, 1)
    if share is None or not largest:
        return Cell(share, text)
    heat = round(HEAT_STEPS * share / largest)
    return Cell(share, text, tone=f"heat heat-{heat}")
