"""The page about what answers: the API, the services of `up`, and the pages of the tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response

from streamflow.console import serving_tables
from streamflow.console.pages import Page, respond
from streamflow.console.requests import list_pages
from streamflow.console.state import ConsoleState
from streamflow.errors import StreamflowError
from streamflow.web.api_report import ApiReport, ApiSilent, read_api_report
from streamflow.web.host_check import read_host
from streamflow.web.service_condition import Condition
from streamflow.web.shared_question import SharedQuestion

SERVING = "/serving"
# The page waits this long for the API and for the services of `up`, and then says who is silent.
LIMIT_S = 3.0


@dataclass(frozen=True, kw_only=True)
class ServingView:
    """What the page shows.

    api               None: it did not answer
    api_problem       why it did not answer; empty if it did
    needs_key         whether the API asks for a key that the console does not have
    services          the services of `up`; None: none are up here, or they could not be asked
    services_problem  why they could not be asked
    pages             tool -> the address of its page, for the person who asks
    """

    api_address: str
    api: ApiReport | None = None
    api_problem: str = ""
    needs_key: bool = False
    services: Sequence[Condition] | None = None
    services_problem: str = ""
    pages: Mapping[str, str]


def add_pages(app: FastAPI, state: ConsoleState) -> None:
    """Add the page to the application."""
    api_question = SharedQuestion(partial(_ask_api, state))
    services_question = SharedQuestion(partial(_list_services, state))

    @app.get(SERVING)
    def serving(request: Request) -> Response:
        """Show what the API does now, and what runs beside it."""
        visitor = state.require(request)
        api = api_question.begin()
        services = services_question.begin()
        questions: list[Future[Any]] = [api, services]
        wait(questions, timeout=LIMIT_S)
        view = _make_view(request, state, api, services)
        return respond(request, state, visitor, _serving_page(request, state, view))


def _list_services(state: ConsoleState) -> Sequence[Condition] | None:
    return state.surroundings.list_services()


def _ask_api(state: ConsoleState) -> ApiReport:
    address = state.surroundings.find_api()
    if not address:
        raise ApiSilent("no address of an API is known")
    secret = state.platform.settings.api_metrics_key
    return read_api_report(address, secret.get_secret_value().strip() if secret else None)


def _make_view(
    request: Request,
    state: ConsoleState,
    api: Future[ApiReport],
    services: Future[Sequence[Condition] | None],
) -> ServingView:
    late = state.texts.get("serving.late", seconds=f"{LIMIT_S:.0f}")
    report = None
    conditions = None
    api_problem = late
    services_problem = late
    needs_key = False
    if api.done():
        try:
            report = api.result()
            api_problem = ""
        except ApiSilent as error:
            api_problem = str(error)
            needs_key = error.needs_key
        except StreamflowError as error:
            api_problem = error.message
    if services.done():
        try:
            conditions = services.result()
            services_problem = ""
        except StreamflowError as error:
            services_problem = error.message
    return ServingView(
        api_address=state.surroundings.find_api(),
        api=report,
        api_problem=api_problem,
        needs_key=needs_key,
        services=conditions,
        services_problem=services_problem,
        pages=list_pages(request, state.surroundings.find_pages()),
    )


def _serving_page(request: Request, state: ConsoleState, view: ServingView) -> Page:
    texts = state.texts
    host = read_host(request.scope).decode("ascii", "replace")
    tables = [
        serving_tables.services_table(texts, view.services or (), host),
        serving_tables.pages_table(texts, view.pages),
    ]
    if view.api is not None:
        tables += [
            serving_tables.phases_table(texts, view.api),
            serving_tables.reloads_table(texts, view.api),
            serving_tables.refusals_table(texts, view.api),
        ]
    return Page(
        template="serving",
        title=texts.get("serving.title"),
        path=SERVING,
        tables=tuple(tables),
        receipt=view,
        values={"view": view, "api": view.api},
    )
