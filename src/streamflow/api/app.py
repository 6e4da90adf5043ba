"""The endpoints. Names and types of the entity's key and the features come from the catalog.

FastAPI reads annotations of functions that are made per application: they must be values here, not text.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from streamflow import __version__
from streamflow.api.fence import add_fence
from streamflow.api.keyring import KeyRing
from streamflow.api.metrics import Metrics
from streamflow.api.observe import Observed, notes_of
from streamflow.api.pages import add_pages
from streamflow.api.schema import REFUSALS, Answers, HealthAnswer, ModelAnswer, ReadyAnswer, answers_of, describe_keys, mistakes, ok
from streamflow.api.state import ServingState
from streamflow.api.strict import StrictRoute
from streamflow.errors import StreamflowError
from streamflow.steps.predict import answer, as_key, features_of_key, oldest


def create_app(state: ServingState, log: FilteringBoundLogger, *, host: str = "127.0.0.1", keys: KeyRing | None = None) -> FastAPI:
    """The application over an unopened `state`; it is opened and closed with the application. Without `keys` it asks for none."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state.open()
        yield
        state.close()

    catalog = state.platform.catalog
    app = FastAPI(
        title=catalog.model,
        version=__version__,
        lifespan=lifespan,
        description="Predictions that can be audited.",
        docs_url=None,  # `add_pages` adds them, with a policy
        redoc_url=None,
        responses=REFUSALS,
    )
    app.router.route_class = StrictRoute
    app.add_exception_handler(StreamflowError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _of_http)
    metrics = Metrics(state.look)
    add_fence(app, state.platform.settings, host, keys)
    app.add_middleware(Observed, metrics=metrics, log=log)
    _add_operations(app, state)
    _add_metrics(app, metrics)
    _add_predictions(app, state, answers_of(catalog))
    add_pages(app)
    describe_keys(app, needed=keys is not None)
    return app


def _add_operations(app: FastAPI, state: ServingState) -> None:
    @app.get("/health", response_model=None, responses=ok(HealthAnswer))
    def health() -> dict[str, str]:
        """This process is alive; whether it can predict says /ready."""
        return {"status": "ok"}

    @app.get("/ready", response_model=None, responses={**ok(ReadyAnswer), 503: {"model": ReadyAnswer, "description": "not ready"}})
    def ready(request: Request, response: Response) -> dict[str, Any]:
        """200 when a prediction can be made now, else 503 with every reason; notes are what should be looked at."""
        found = state.look()
        response.status_code = 503 if found.reasons else 200
        reasons, notes = found.reasons, found.notes
        if notes_of(request).is_anonymous:  # an error's words may name hosts and users
            reasons, notes = tuple(reason.partition(":")[0] for reason in reasons), ()
        return {"status": "not ready" if found.reasons else "ready", "reasons": reasons, "notes": notes}

    @app.get("/model", response_model=None, responses=ok(ModelAnswer))
    def model() -> dict[str, Any]:
        """The version that answers."""
        serving = state.serving()
        return {
            "name": serving.model,
            "version": serving.version,
            "run_id": serving.run_id,
            "threshold": serving.predictor.threshold,
            "features": [f.name for f in serving.reader.features],
        }


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics", include_in_schema=False)
    def numbers() -> Response:
        """The numbers, for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _add_predictions(app: FastAPI, state: ServingState, answers: Answers) -> None:
    catalog, ask, path_key = state.platform.catalog, answers.ask, answers.path_key
    key_name = catalog.entity.key

    @app.get(f"/features/{{{key_name}}}", summary="Features", response_model=None, responses=ok(answers.features))
    def features(text: Annotated[path_key, Path(alias=key_name)]) -> dict[str, Any]:  # type: ignore[valid-type]  # of the catalog
        """The live features of one key."""
        key = as_key(catalog, text)
        with state.connection() as connection:
            row = features_of_key(state.reader, catalog, connection, key)
        names = [f.name for f in state.reader.features]
        return {key_name: key, "features": dict(zip(names, row.values, strict=True)), "as_of": oldest(row).isoformat()}

    @app.post("/predict", response_model=None, responses=ok(answers.prediction))
    def predict(body: ask, request: Request) -> dict[str, Any]:  # type: ignore[valid-type]  # made from the catalog
        """The prediction for one key, with what it was made of."""
        notes, serving = notes_of(request), state.serving()
        notes.version = serving.version
        key = as_key(catalog, getattr(body, key_name))
        with state.connection() as connection:
            found = answer(serving, connection, key, request_id=notes.request_id)
        notes.prediction = found.prediction
        return {
            key_name: found.key,
            "prediction": found.prediction,
            "probability": found.probability,
            "features_used": found.features,
            "model": {"name": found.model, "version": found.version, "run_id": found.run_id},
            "as_of": found.as_of.isoformat(),
        }


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StreamflowError)
    facts = {k: v for k, v in error.facts.items() if k == "missing_features"}
    body = {"error": error.message, "code": error.code, "remedy": error.remedy, **facts}
    return _refused(request, error.http_status, body)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _refused(request, 422, {"error": mistakes(error), "code": "malformed_request"})


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    """A path that is not there, a method that it has not."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return _refused(request, error.status_code, {"error": error.detail, "code": code}, error.headers)


def _refused(request: Request, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    notes_of(request).error = body["code"]
    return JSONResponse(body, status_code=status, headers=headers)
