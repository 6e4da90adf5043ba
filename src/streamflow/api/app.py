"""The application: what stands before the endpoints, those on itself, and the form of every error."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from streamflow import __version__
from streamflow.api.active_keys import KeyRing
from streamflow.api.docs_pages import add_pages
from streamflow.api.middleware import add_fence
from streamflow.api.observability import Observed
from streamflow.api.predictions import add_predictions, named
from streamflow.api.refusals import why
from streamflow.api.request_context import notes_of
from streamflow.api.schema import (
    REFUSALS,
    HealthAnswer,
    ModelAnswer,
    ReadyAnswer,
    answers_of,
    describe_keys,
    mistakes,
    ok,
)
from streamflow.api.state import ServingState
from streamflow.api.strict_json import StrictRoute
from streamflow.api.traces import FASTAPI_OFF, Traces
from streamflow.errors import StreamflowError

LATER = {"Retry-After": "1"}


def create_app(
    state: ServingState,
    log: FilteringBoundLogger,
    *,
    closing: ExitStack,
    host: str,
    keys: KeyRing | None,
) -> FastAPI:
    """The application over an unopened `state`; it is opened and closed with the application, `closing` after it.

    host   that it is bound to      keys   that are asked for; None where none are
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing:
            await state.open()
            yield
            await state.close()

    catalog = state.platform.catalog
    endpoint = state.platform.settings.api_traces
    traces = Traces(endpoint) if endpoint else None
    if traces is not None:
        closing.callback(traces.close)
    app = FastAPI(
        title=catalog.model,
        version=__version__,
        lifespan=lifespan,
        description="Predictions that can be audited.",
        docs_url=None,  # `add_pages` adds them, with a policy
        redoc_url=None,
        responses=REFUSALS,
        telemetry=FASTAPI_OFF,
    )
    app.router.route_class = StrictRoute
    app.add_exception_handler(StreamflowError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _of_http)
    add_fence(app, state.platform.settings, host, keys)
    app.add_middleware(Observed, metrics=state.metrics, log=log, traces=traces)
    add_predictions(
        app, state, answers_of(catalog, state.platform.settings.api_max_ids)
    )  # first: routes are tried in turn
    _add_operations(app, state)
    add_pages(app)
    describe_keys(app, needed=keys is not None)
    return app


def _add_operations(app: FastAPI, state: ServingState) -> None:
    @app.get("/health", response_model=None, responses=ok(HealthAnswer))
    async def health() -> dict[str, str]:
        """This process is alive; whether it can predict says /ready."""
        return {"status": "ok"}

    @app.get(
        "/ready",
        response_model=None,
        responses={**ok(ReadyAnswer), 503: {"model": ReadyAnswer, "description": "not ready"}},
    )
    async def ready(request: Request, response: Response) -> dict[str, Any]:
        """200 when a prediction can be made now, else 503 with every reason; notes are what should be looked at."""
        found = await state.look()
        response.status_code = 503 if found.reasons else 200
        reasons, notes = found.reasons, found.notes
        if notes_of(request).is_anonymous:  # an error's words may name hosts and users
            reasons, notes = tuple(reason.partition(":")[0] for reason in reasons), ()
        return {
            "status": "not ready" if found.reasons else "ready",
            "reasons": reasons,
            "notes": notes,
        }

    @app.get("/model", response_model=None, responses=ok(ModelAnswer))
    async def model() -> dict[str, Any]:
        """The version that answers: since when it is in Production, and since when it answers here."""
        serving, current = state.serving(), state.current
        return {
            **named(serving),
            "threshold": serving.predictor.threshold,
            "features": serving.policy.names,
            "policy": serving.policy.declared,
            "default_costs": serving.default_costs,
            "since": current.since,
            "loaded": current.loaded,
        }

    @app.get("/metrics", include_in_schema=False)
    async def numbers() -> Response:
        """The numbers, for Prometheus."""
        return Response(state.metrics.text(await state.look()), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StreamflowError)
    return _refused(
        request, error.http_status, why(error), LATER if error.http_status == 503 else None
    )


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _refused(request, 422, {"error": mistakes(error), "code": "malformed_request"})


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    """A path that is not there, a method that it has not."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return _refused(
        request, error.status_code, {"error": error.detail, "code": code}, error.headers
    )


def _refused(
    request: Request, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    notes_of(request).error = body["code"]
    return JSONResponse(body, status_code=status, headers=headers)
