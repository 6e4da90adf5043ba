"""The pages for the people who keep users: at risk, one user, the portfolio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from streamflow.console import charts, customer_tables, formats
from streamflow.console.cohort_map import choose_segment, cohort_table
from streamflow.console.pages import Page, quoted_path, respond, user_address
from streamflow.console.state import ConsoleState
from streamflow.console.trust_line import write_trust
from streamflow.console.user_views import draw_probabilities, explain_today, list_histories
from streamflow.core.serving.segments import SegmentColumn, list_segment_columns
from streamflow.errors import EntityUnknown, FilterInvalid
from streamflow.steps.serving.at_risk import Position, RiskFilter, list_at_risk
from streamflow.steps.serving.portfolio import Portfolio, read_portfolio
from streamflow.steps.serving.user_record import read_user
from streamflow.web.request_context import notes_of

AT_RISK = "/at-risk"
SEGMENT_PREFIX = "s."
# What the form sends for the users of all categories.
ALL_CATEGORIES = "*"
# Fields of the forms that say nothing when they are empty.
UNSET = (("moved", ""), ("search", ""))
# The choices of the filter that are always seen.
FIRST_CHOICES = 3


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the pages to the application."""

    @app.get(AT_RISK)
    def at_risk(request: Request) -> Response:
        """List the users of the newest scored drop."""
        visitor = state.require(request)
        search = request.query_params.get("search", "").strip()
        if search:
            return RedirectResponse(user_address(search), status_code=303)
        short_address = shorten_address(request)
        if short_address:
            return RedirectResponse(short_address, status_code=303)
        return respond(request, state, visitor, _at_risk_page(request, state))

    @app.get("/users/{key:path}")
    def user(request: Request) -> Response:
        """Show everything that is known of one user."""
        visitor = state.require(request)
        try:
            page = _user_page(request, state)
        except EntityUnknown as error:
            page = _unknown_user_page(request, state, error)
        return respond(request, state, visitor, page)

    @app.get("/portfolio")
    def portfolio(request: Request) -> Response:
        """Show the newest scored drop as a whole and by segment."""
        visitor = state.require(request)
        with state.reading() as platform:
            receipt = read_portfolio(platform)
        chosen_name = request.query_params.get("cohort", "")
        return respond(request, state, visitor, _portfolio_page(state, receipt, chosen_name))


def _at_risk_page(request: Request, state: ConsoleState) -> Page:
    texts = state.texts
    chosen = parse_filter(request)
    columns = list_segment_columns(state.platform.catalog)
    with state.reading() as platform:
        risks = list_at_risk(platform, chosen)
    end = risks.next
    return Page(
        template="at_risk",
        title=texts.get("at_risk.title"),
        path=AT_RISK,
        tables=(customer_tables.risk_table(texts, risks, columns),),
        receipt=risks,
        values={
            "risks": risks,
            **_divide_choices(columns, chosen),
            "segment_text": customer_tables.segment_text,
            "texts": texts,
            "trust": write_trust(texts, risks.trust, datetime.now(UTC)),
            "after": f"{end.probability!r}~{end.key}" if end else None,
        },
    )


def _divide_choices(
    columns: Sequence[SegmentColumn],
    chosen: RiskFilter,
) -> dict[str, Any]:
    """Divide the choices of the filter into those that are always seen, and the further ones."""
    first_columns = columns[:FIRST_CHOICES]
    further_columns = columns[FIRST_CHOICES:]
    is_further_chosen = any(column.name in chosen.segments for column in further_columns)
    return {
        "first_columns": first_columns,
        "further_columns": further_columns,
        "is_further_chosen": is_further_chosen,
    }


def shorten_address(request: Request) -> str:
    """Return the address of the list without the choices that the form sends for all users.

    Returns:
        empty if the address has no such choice
    """
    parameters = request.query_params.multi_items()
    telling = [item for item in parameters if item not in UNSET and not _is_all(item)]
    if telling == parameters:
        return ""
    query = urlencode(telling)
    return f"{AT_RISK}?{query}" if query else AT_RISK


def _is_all(parameter: tuple[str, str]) -> bool:
    name, value = parameter
    return name.startswith(SEGMENT_PREFIX) and value == ALL_CATEGORIES


def parse_filter(request: Request) -> RiskFilter:
    """Read which users a list shows from the address of the page.

    Raises:
        FilterInvalid: a parameter has a value that it cannot have.
    """
    parameters = request.query_params
    # "s.contract_type=" is the users without a value.
    segments = {
        name.removeprefix(SEGMENT_PREFIX): value
        for name, value in parameters.items()
        if name.startswith(SEGMENT_PREFIX) and value != ALL_CATEGORIES
    }
    moved: Any = parameters.get("moved", "")
    return RiskFilter(
        segments=segments,
        moved=moved,
        position=parse_position(parameters.get("after", "")),
    )


def parse_position(text: str) -> Position | None:
    """Read where a list goes on.

    Raises:
        FilterInvalid: the text is not one that a page gave out.

    >>> parse_position("0.5~a~b")
    Position(probability=0.5, key='a~b')
    """
    if not text:
        return None
    number, separator, key = text.partition("~")
    try:
        probability = float(number)
    except ValueError as exc:
        raise FilterInvalid("the address names no place in the list") from exc
    if not separator or not 0 <= probability <= 1 or "\0" in key:
        raise FilterInvalid("the address names no place in the list")
    return Position(probability=probability, key=key)


def user_key(request: Request) -> str:
    """Return the key of a user as the address has it, byte by byte.

    Raises:
        EntityUnknown: the address is not UTF-8, so that it is the key of nobody.
    """
    quoted_key = quoted_path(request).removeprefix("/users/")
    try:
        return unquote(quoted_key, errors="strict")
    except UnicodeDecodeError as exc:
        raise EntityUnknown("no user has such a key") from exc


def _user_page(request: Request, state: ConsoleState) -> Page:
    texts = state.texts
    key = user_key(request)
    with state.reading_versions() as platform:
        record = read_user(platform, key)
        explained = None
        if request.query_params.get("explain") == "today":
            explained = explain_today(state, platform, key)
    return Page(
        template="user",
        title=texts.get("user.title", key=key),
        path=AT_RISK,
        tables=(
            customer_tables.answers_table(texts, record),
            customer_tables.values_table(texts, record),
        ),
        receipt=record,
        values={
            "record": record,
            "explained": explained,
            "histories": list_histories(record),
            "chart": draw_probabilities(texts, record),
            "largest": max((abs(r.contribution) for r in record.reasons), default=0.0),
            "signed_bar": charts.draw_signed_bar,
            "value": formats.format_value,
            "trust": write_trust(texts, record.trust, datetime.now(UTC)),
        },
    )


def _unknown_user_page(request: Request, state: ConsoleState, error: EntityUnknown) -> Page:
    """Say that nobody has the key, and let the person search again."""
    notes_of(request).error = error.code
    key = request.path_params["key"]
    return Page(
        template="unknown_user",
        title=state.texts.get("user.unknown"),
        path=AT_RISK,
        values={
            "lines": [formats.write_sentence(error.message), error.remedy],
            "key": key if key.isprintable() else "",
        },
        status=error.http_status,
    )


def _portfolio_page(state: ConsoleState, receipt: Portfolio, chosen_name: str) -> Page:
    texts = state.texts
    bools = {c.name for c in list_segment_columns(state.platform.catalog) if c.is_bool}
    segment_tables = [
        customer_tables.segment_table(texts, receipt, segment, segment.name in bools)
        for segment in receipt.segments
    ]
    trend = customer_tables.trend_table(texts, receipt)
    chosen = choose_segment(receipt, chosen_name)
    cohorts = [cohort_table(texts, receipt, chosen, chosen.name in bools)] if chosen else []
    return Page(
        template="portfolio",
        title=texts.get("portfolio.title"),
        path="/portfolio",
        tables=(trend, *cohorts, *segment_tables),
        receipt=receipt,
        values={
            "portfolio": receipt,
            "segment_tables": segment_tables,
            "chosen": chosen,
            "has_tenure": any(segment.name == receipt.tenure for segment in receipt.segments),
            "chart": _draw_trend(state, receipt),
            "trust": write_trust(texts, receipt.trust, datetime.now(UTC)),
        },
    )


def _draw_trend(state: ConsoleState, receipt: Portfolio) -> Any:
    """Draw the expected shares and the shares that left; one drop alone makes no line."""
    if len(receipt.trend) < 2:
        return ""
    texts = state.texts
    expected = charts.Line(
        tone="expected",
        title=texts.get("portfolio.expected_share"),
        values=tuple(point.expected_share for point in receipt.trend),
    )
    churned = charts.Line(
        tone="churned",
        title=texts.get("portfolio.left"),
        values=tuple(point.churned_share for point in receipt.trend),
    )
    labels = [formats.format_day(point.as_of) for point in receipt.trend]
    return charts.draw_shares(labels, [expected, churned], texts.get("portfolio.chart"))
