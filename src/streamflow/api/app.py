"""The endpoints. Names and types of the entity's key and the features come from the catalog.

FastAPI reads annotations of functions that are made per application: they must be values here, not text.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel, ConfigDict, Field, create_model
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from streamflow import __version__
from streamflow.api.metrics import Metrics
from streamflow.api.observe import Observed, notes_of
from streamflow.api.state import ServingState
from streamflow.catalog import Catalog
from streamflow.errors import StreamflowError
from streamflow.steps.live_row import live_row
from streamflow.steps.predict import answer, as_key, row_of_key


def create_app(state: ServingState, log: FilteringBoundLogger) -> FastAPI:
    """The application over an unopened `state`; it is opened and closed with the application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state.open()
        yield
        state.close()

    catalog = state.platform.catalog
    app = FastAPI(title=catalog.model, version=__version__, lifespan=lifespan, description="Predictions that can be audited.")
    app.add_exception_handler(StreamflowError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _of_http)
    metrics = Metrics(state.look)
    app.add_middleware(Observed, metrics=metrics, log=log)
    _add_operations(app, state)
    _add_metrics(app, metrics)
    _add_predictions(app, state, _ask(catalog))
    return app


def _add_operations(app: FastAPI, state: ServingState) -> None:
    @app.get("/health")
    def health() -> dict[str, str]:
        """This process is alive; whether it can predict says /ready."""
        return {"status": "ok"}

    @app.get("/ready")
    def ready(response: Response) -> dict[str, Any]:
        """200 when a prediction can be made now, else 503 with every reason; notes are what should be looked at."""
        found = state.look()
        response.status_code = 503 if found.reasons else 200
        return {"status": "not ready" if found.reasons else "ready", "reasons": found.reasons, "notes": found.notes}

    @app.get("/model")
    def model() -> dict[str, Any]:
        """The version that answers."""
        serving = state.serving()
        return {
            "name": serving.model,
            "version": serving.version,
            "run_id": serving.run_id,
            "threshold": serving.predictor.threshold,
            "features": [f.name for f in serving.reader.features],
            "policy": serving.policy.declared,
            "default_costs": serving.default_costs,
        }


def _add_metrics(app: FastAPI, metrics: Metrics) -> None:
    @app.get("/metrics", include_in_schema=False)
    def numbers() -> Response:
        """The numbers, for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _add_predictions(app: FastAPI, state: ServingState, ask: type[BaseModel]) -> None:
    catalog = state.platform.catalog
    key_name = catalog.entity.key

    @app.get(f"/features/{{{key_name}}}", summary="Features")
    def features(text: Annotated[str, Path(alias=key_name)]) -> dict[str, Any]:
        """The live features of one key as they are: nothing is refused or put in for what is absent or too old."""
        key = as_key(catalog, text)
        with state.connection() as connection:
            row = row_of_key(state.reader, catalog, connection, key)
        return {key_name: key, **live_row(state.policy, row, datetime.now(UTC)).plain}

    @app.post("/predict")
    def predict(body: ask, request: Request) -> dict[str, Any]:  # type: ignore[valid-type]  # made from the catalog
        """The prediction for one key, with what it was made of."""
        notes, serving = notes_of(request), state.serving()
        notes.version = serving.version
        key = as_key(catalog, getattr(body, key_name))
        with state.connection() as connection:
            found = answer(serving, connection, key, now=datetime.now(UTC), request_id=notes.request_id)
        notes.prediction = found.prediction
        return {
            key_name: found.key,
            "prediction": found.prediction,
            "probability": found.probability,
            "features_used": found.features,
            "model": {"name": found.model, "version": found.version, "run_id": found.run_id},
            "as_of": found.as_of.isoformat(),
            "age_days": found.age_days,
            "defaulted": found.defaulted,
        }


def _ask(catalog: Catalog) -> type[BaseModel]:
    """The body of /predict: the entity's key, by its own name and type."""
    entity = catalog.entity
    kind: Any = (str, Field(min_length=1)) if entity.type == "string" else (int, ...)
    return create_model("Ask", __config__=ConfigDict(extra="forbid", strict=True), **{entity.key: kind})


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StreamflowError)
    facts = {k: v for k, v in error.facts.items() if k in {"missing_features", "stale_features"}}
    body = {"error": error.message, "code": error.code, "remedy": error.remedy, **facts}
    return _refused(request, error.http_status, body)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    mistakes = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    return _refused(request, 422, {"error": "; ".join(mistakes), "code": "malformed_request"})


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    """A path that is not there, a method that it has not."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return _refused(request, error.status_code, {"error": error.detail, "code": code}, error.headers)


def _refused(request: Request, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    notes_of(request).error = body["code"]
    return JSONResponse(body, status_code=status, headers=headers)
