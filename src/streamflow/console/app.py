"""The web application of the console: its middleware, its pages, and its answers to errors."""

from __future__ import annotations

import re

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from structlog.typing import FilteringBoundLogger

from streamflow.console import (
    catalog_page,
    customer_pages,
    drop_pages,
    job_pages,
    login,
    monitoring_pages,
    production_forms,
    production_pages,
    revision_pages,
    run_pages,
    service_pages,
    serving_pages,
    training_set_pages,
    upload_pages,
    version_pages,
    work_forms,
)
from streamflow.console.form_numbers import FormSentBefore
from streamflow.console.formats import write_sentence
from streamflow.console.forms import ForeignForm
from streamflow.console.jobs import JobRunning
from streamflow.console.navigation import FIRST_PAGE
from streamflow.console.pages import STATIC_FOLDER, TABLE_FORMATS, problem_page
from streamflow.console.request_log import RequestLog
from streamflow.console.state import ConsoleState, LoginNeeded, ScopeTooSmall
from streamflow.errors import StreamflowError, VersionMissing
from streamflow.packages import explain_missing_package
from streamflow.web.body_limit import BodyLimit
from streamflow.web.host_check import HostCheck, allowed_hosts

COMMAND = re.compile(r"'(streamflow [^']+)'")

# Every module that adds pages. Each has a function `add_pages(app, state)`.
PAGE_MODULES = (
    login,
    customer_pages,
    version_pages,
    production_pages,
    production_forms,
    drop_pages,
    revision_pages,
    training_set_pages,
    catalog_page,
    monitoring_pages,
    run_pages,
    job_pages,
    work_forms,
    upload_pages,
    serving_pages,
    service_pages,
)


def create_app(state: ConsoleState, log: FilteringBoundLogger, *, host: str) -> FastAPI:
    """Build the application.

    Args:
        host: the host that the console is bound to
    """
    settings = state.platform.settings
    app = FastAPI(
        title="streamflow console",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_access_answers(app, state)
    _add_form_answers(app, state)
    _add_problem_answers(app, state)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.api_max_body,
        timeout_s=settings.api_client_limit,
        own_limits=(upload_pages.UPLOAD,),
    )
    app.add_middleware(HostCheck, hosts=allowed_hosts(host, settings.api_allowed_hosts))
    app.add_middleware(RequestLog, log=log)
    for module in PAGE_MODULES:
        module.add_pages(app, state)
    _add_entrance(app)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    return app


def _add_entrance(app: FastAPI) -> None:
    @app.get("/")
    def entrance() -> Response:
        """Lead to the first page."""
        return RedirectResponse(FIRST_PAGE, status_code=303)

    @app.get("/health")
    def health() -> Response:
        """Answer that this process is alive."""
        return PlainTextResponse("ok")


def _add_access_answers(app: FastAPI, state: ConsoleState) -> None:
    """Answer a person who has not logged in, or whose key does not have the scope."""
    texts = state.texts

    @app.exception_handler(LoginNeeded)
    async def ask_to_log_in(request: Request, _: LoginNeeded) -> Response:
        """Lead a person to the form; tell a program that it needs a key."""
        if request.method == "GET" and request.query_params.get("format") not in TABLE_FORMATS:
            return RedirectResponse(login.login_address(request), status_code=303)
        lines = [texts.get("login.intro")]
        return problem_page(request, state, status=401, code="unauthorized", lines=lines)

    @app.exception_handler(ScopeTooSmall)
    async def refuse_scope(request: Request, error: ScopeTooSmall) -> Response:
        """Say which scope the person needs."""
        scope = state.find_visitor(request).scope
        line = texts.get("problem.refused", scope=error.required, own=scope)
        return problem_page(request, state, status=403, code="forbidden", lines=[line])


def _add_form_answers(app: FastAPI, state: ConsoleState) -> None:
    """Answer a form that is not accepted."""
    texts = state.texts

    @app.exception_handler(ForeignForm)
    async def refuse_form(request: Request, _: ForeignForm) -> Response:
        """Refuse a form that is not ours."""
        lines = [texts.get("problem.form")]
        return problem_page(request, state, status=403, code="foreign_form", lines=lines)

    @app.exception_handler(FormSentBefore)
    async def refuse_second_form(request: Request, _: FormSentBefore) -> Response:
        """Refuse a form that was sent before: a second click changes nothing."""
        lines = [texts.get("problem.sent_before")]
        return problem_page(request, state, status=409, code="form_sent_before", lines=lines)

    @app.exception_handler(JobRunning)
    async def refuse_second_job(request: Request, error: JobRunning) -> Response:
        """Refuse work while different work is running, and lead to the work that runs."""
        lines = [texts.get("work.busy", address=job_pages.job_address(error.job_id))]
        return problem_page(request, state, status=409, code="job_running", lines=lines)


def _add_problem_answers(app: FastAPI, state: ConsoleState) -> None:
    """Answer a request that no page can answer: an error of a step, or no such page."""
    texts = state.texts

    @app.exception_handler(StreamflowError)
    async def show_own_error(request: Request, error: StreamflowError) -> Response:
        """Show an error of streamflow, with the command that helps on a line of its own.

        Whoever sent a form must learn what was changed.
        """
        command = COMMAND.search(error.remedy)
        state_left = error.state if request.method == "POST" else ""
        lines = [write_sentence(error.message), state_left, error.remedy]
        return problem_page(
            request,
            state,
            status=_status_of(error),
            code=error.code,
            lines=lines,
            command=command[1] if command else "",
        )

    @app.exception_handler(ModuleNotFoundError)
    async def show_missing_package(request: Request, error: ModuleNotFoundError) -> Response:
        """Say which extra to install for a page that needs more packages than the others."""
        explained = explain_missing_package(error, at_least="train")
        if explained is None:
            raise error
        return await show_own_error(request, explained)

    @app.exception_handler(RequestValidationError)
    async def refuse_parameters(request: Request, _: RequestValidationError) -> Response:
        """Refuse parameters that a page does not have."""
        lines = [texts.get("problem.not_found")]
        return problem_page(request, state, status=422, code="malformed_request", lines=lines)

    @app.exception_handler(HTTPException)
    async def show_http_error(request: Request, error: HTTPException) -> Response:
        """Show that a page does not exist, or cannot be asked for in this way."""
        name = "problem.method" if error.status_code == 405 else "problem.not_found"
        lines = [texts.get(name)]
        return problem_page(request, state, status=error.status_code, code="not_found", lines=lines)


def _status_of(error: StreamflowError) -> int:
    """Return the HTTP status of an error on a page.

    The API cannot answer without a version, so there a missing version is a fault of the service.
    A page about a missing version does not exist.
    """
    return 404 if isinstance(error, VersionMissing) else error.http_status
