"""The web application: its middleware, the endpoints on the API itself, and its error answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from streamflow import __version__
from streamflow.api.answers import HealthAnswer, ModelAnswer, ReadyAnswer
from streamflow.api.direct_predict import DirectPredict
from streamflow.api.docs_pages import add_pages
from streamflow.api.error_answers import answer_own_error, error_response
from streamflow.api.inference_protocol import add_inference_protocol
from streamflow.api.middleware import add_middleware
from streamflow.api.mlflow_routes import add_mlflow_routes
from streamflow.api.observability import RequestObserver
from streamflow.api.openapi import extend_document
from streamflow.api.operations import EVERYWHERE, GUARDED, HEALTH, MODEL, TAGS, describe_answers
from streamflow.api.prediction_entries import model_name
from streamflow.api.predictions import add_predictions
from streamflow.api.schema import build_endpoint_models, describe_mistakes
from streamflow.api.state import ServingState
from streamflow.api.strict_json import StrictRoute
from streamflow.api.traces import FASTAPI_OFF, Traces
from streamflow.errors import StreamflowError
from streamflow.web.active_keys import KeyRing
from streamflow.web.request_context import notes_of


def create_app(
    state: ServingState,
    log: FilteringBoundLogger,
    *,
    closing: ExitStack,
    host: str,
    keys: KeyRing | None,
) -> FastAPI:
    """Build the web application with its middleware, endpoints and error answers.

    Args:
        state: the state, which is not open yet; the application opens and closes it
        closing: what is closed after the application
        host: the host that the API is bound to
        keys: the API keys; None if a request needs no key
    """
    catalog = state.platform.catalog
    settings = state.platform.settings
    app = FastAPI(
        title=catalog.model,
        version=__version__,
        lifespan=_make_lifespan(state, closing),
        description="Predictions that can be audited.",
        docs_url=None,  # `add_pages` adds both pages with a security policy
        redoc_url=None,
        redirect_slashes=False,  # A redirect would answer for a different user.
        servers=[{"url": settings.api_root_path}] if settings.api_root_path else None,
        openapi_tags=TAGS,
        telemetry=FASTAPI_OFF,
    )
    app.router.route_class = StrictRoute
    _add_error_answers(app)
    app.add_middleware(DirectPredict, state=state, routes=app.routes)
    add_middleware(app, settings, host, keys)
    traces = _open_traces(settings.api_traces, closing)
    app.add_middleware(RequestObserver, metrics=state.metrics, log=log, traces=traces)
    _add_endpoints(app, state)
    add_pages(app, settings.api_root_path)
    extend_document(app, catalog, keys_needed=keys is not None)
    return app


def _add_endpoints(app: FastAPI, state: ServingState) -> None:
    platform = state.platform
    models = build_endpoint_models(platform.catalog, platform.settings.api_max_ids)
    # The router tries its routes in turn, so the predictions come first.
    add_predictions(app, state, models)
    _add_probes(app, state)
    _add_status(app, state)
    add_inference_protocol(app, state)
    add_mlflow_routes(app, state)


def _add_error_answers(app: FastAPI) -> None:
    app.add_exception_handler(StreamflowError, _answer_own_error)
    app.add_exception_handler(RequestValidationError, _answer_malformed)
    app.add_exception_handler(HTTPException, _answer_http_error)


def _make_lifespan(
    state: ServingState,
    closing: ExitStack,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing:
            await state.open()
            yield
            await state.close()

    return lifespan


def _open_traces(endpoint: str | None, closing: ExitStack) -> Traces | None:
    if not endpoint:
        return None
    traces = Traces(endpoint)
    closing.callback(traces.close)
    return traces


def _add_probes(app: FastAPI, state: ServingState) -> None:
    """Add the endpoints that say whether the API is alive, and whether it can predict."""

    @app.get(
        "/health",
        operation_id="get_health",
        tags=[HEALTH],
        response_model=None,
        responses=describe_answers(HealthAnswer, *EVERYWHERE),
    )
    async def health() -> dict[str, str]:
        """Answer that this process is alive. /ready says whether it can predict."""
        return {"status": "ok"}

    not_ready = {"model": ReadyAnswer, "description": "not ready"}

    @app.get(
        "/ready",
        operation_id="get_readiness",
        tags=[HEALTH],
        response_model=None,
        responses={**describe_answers(ReadyAnswer, *EVERYWHERE, 500), 503: not_ready},
    )
    async def readiness(request: Request, response: Response) -> dict[str, Any]:
        """Answer 200 if a prediction can be made now, else 503 with every reason.

        The notes say what somebody should check.
        """
        status = await state.readiness()
        reasons = list(status.reasons)
        notes = list(status.notes)
        response.status_code = 503 if reasons else 200
        # The text of an error may name hosts and users, so only callers with a key see it.
        if notes_of(request).is_anonymous:
            reasons = [reason.partition(":")[0] for reason in reasons]
            notes = []
        verdict = "not ready" if reasons else "ready"
        return {"status": verdict, "reasons": reasons, "notes": notes}


def _add_status(app: FastAPI, state: ServingState) -> None:
    """Add the endpoints that describe the version that answers, and the metrics."""

    @app.get(
        "/model",
        operation_id="get_model",
        tags=[MODEL],
        response_model=None,
        responses=describe_answers(ModelAnswer, *GUARDED),
    )
    async def model() -> dict[str, Any]:
        """Return the version that answers.

        It says since when the version is in Production, and since when it answers here.
        """
        serving = state.serving()
        current = state.current
        return {
            **model_name(serving),
            "threshold": serving.predictor.threshold,
            "features": serving.policy.names,
            "policy": serving.policy.declared,
            "default_costs": serving.default_costs,
            "since": current.since,
            "loaded": current.loaded,
        }

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        text = state.metrics.render(await state.readiness())
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def _answer_own_error(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that failed with an error of streamflow."""
    assert isinstance(error, StreamflowError)
    return answer_own_error(notes_of(request), error)


async def _answer_malformed(request: Request, error: Exception) -> JSONResponse:
    """Answer a request whose body or path does not match the endpoint."""
    assert isinstance(error, RequestValidationError)
    body = {"error": describe_mistakes(error), "code": "malformed_request"}
    return error_response(notes_of(request), 422, body)


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer a request for a path that does not exist, or with a method that the path lacks."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    body = {"error": error.detail, "code": code}
    return error_response(notes_of(request), error.status_code, body, error.headers)
