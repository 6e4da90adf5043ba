"""The endpoints. Names and types of the entity's key and the features come from the catalog.

FastAPI reads annotations of functions that are made per application: they must be values here, not text.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from structlog.typing import FilteringBoundLogger

from streamflow import __version__
from streamflow.api.observe import Observed, notes_of
from streamflow.api.state import ServingState
from streamflow.catalog import Catalog
from streamflow.errors import EntityUnknown, StreamflowError
from streamflow.steps.predict import Prediction, Serving, as_key

LATER = {"Retry-After": "1"}


def create_app(state: ServingState, log: FilteringBoundLogger, closing: ExitStack) -> FastAPI:
    """The application over an unopened `state`; it is opened and closed with the application, `closing` after it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing:
            await state.open()
            yield
            await state.close()

    catalog = state.platform.catalog
    app = FastAPI(title=catalog.model, version=__version__, lifespan=lifespan, description="Predictions that can be audited.")
    app.add_exception_handler(StreamflowError, _ours)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_middleware(Observed, metrics=state.metrics, log=log)
    _add_operations(app, state)
    _add_predictions(app, state)
    return app


def _add_operations(app: FastAPI, state: ServingState) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """This process is alive; whether it can predict says /ready."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready(response: Response) -> dict[str, Any]:
        """200 when a prediction can be made now, else 503 with every reason; notes are what should be looked at."""
        found = await state.look()
        response.status_code = 503 if found.reasons else 200
        return {"status": "not ready" if found.reasons else "ready", "reasons": found.reasons, "notes": found.notes}

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """The version that answers: since when it is in Production, and since when it answers here."""
        serving, current = state.serving(), state.current
        return {
            **_named(serving),
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


def _add_predictions(app: FastAPI, state: ServingState) -> None:
    catalog = state.platform.catalog
    key_name = catalog.entity.key
    one, many = _asks(catalog, state.platform.settings.api_max_ids)

    @app.get(f"/features/{{{key_name}}}", summary="Features")
    async def features(text: Annotated[str, Path(alias=key_name)]) -> Response:
        """The live features of one key as they are: nothing is refused or put in for what is absent or too old."""
        key = as_key(catalog, text)
        return _json({key_name: key, **(await state.features(key)).plain})

    @app.post("/predict")
    async def predict(body: one, request: Request) -> Response:  # type: ignore[valid-type]  # made from the catalog
        """The prediction for one key, with what it was made of."""
        notes = notes_of(request)
        serving, [found] = await state.batcher.answer([as_key(catalog, getattr(body, key_name))], notes.request_id)
        notes.version = serving.version
        if isinstance(found, StreamflowError):
            raise found
        return _json({**_entry(key_name, found), "model": _named(serving)})

    @app.post("/predict/batch")
    async def predict_batch(body: many, request: Request) -> Response:  # type: ignore[valid-type]
        """An entry for each key, in their order: its prediction, or why there is none. All are answered by one version."""
        notes = notes_of(request)
        keys = [_key_or_why(catalog, given) for given in getattr(body, f"{key_name}s")]
        known = [key for key in keys if not isinstance(key, EntityUnknown)]
        serving, answers = await state.batcher.answer(known, notes.request_id)
        notes.version = serving.version
        left = iter(answers)
        found = [key if isinstance(key, EntityUnknown) else next(left) for key in keys]
        given = getattr(body, f"{key_name}s")
        return _json(
            {"predictions": [_entry_or_why(key_name, *each) for each in zip(given, found, strict=True)], "model": _named(serving)}
        )


def _json(content: Mapping[str, Any]) -> Response:
    """Floats keep their 64 bits."""
    return Response(to_json(content), media_type="application/json")


def _named(version: Serving | Prediction) -> dict[str, Any]:
    return {"name": version.model, "version": version.version, "run_id": version.run_id}


def _entry(key_name: str, found: Prediction) -> dict[str, Any]:
    return {
        key_name: found.key,
        "prediction": found.prediction,
        "probability": found.probability,
        "features_used": found.features,
        "as_of": found.as_of.isoformat(),
        "age_days": found.age_days,
        "defaulted": found.defaulted,
    }


def _entry_or_why(key_name: str, given: str | int, found: Prediction | StreamflowError) -> dict[str, Any]:
    return {key_name: given, **_why(found)} if isinstance(found, StreamflowError) else _entry(key_name, found)


def _key_or_why(catalog: Catalog, given: str | int) -> str | int | EntityUnknown:
    try:
        return as_key(catalog, given)
    except EntityUnknown as error:
        return error


def _asks(catalog: Catalog, max_ids: int) -> tuple[type[BaseModel], type[BaseModel]]:
    """The bodies of /predict and /predict/batch: the entity's key, by its own name and type."""
    entity = catalog.entity
    key: Any = Annotated[str, Field(min_length=1)] if entity.type == "string" else int
    keys: Any = Annotated[list[key], Field(min_length=1, max_length=max_ids)]
    strict = ConfigDict(extra="forbid", strict=True)
    fields: tuple[dict[str, Any], dict[str, Any]] = {entity.key: (key, ...)}, {f"{entity.key}s": (keys, ...)}
    one, many = fields
    return create_model("Ask", __config__=strict, **one), create_model("AskBatch", __config__=strict, **many)


def _why(error: StreamflowError) -> dict[str, Any]:
    facts = {k: v for k, v in error.facts.items() if k in {"missing_features", "stale_features"}}
    return {"error": error.message, "code": error.code, "remedy": error.remedy, **facts}


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StreamflowError)
    return _refused(request, error.http_status, _why(error), LATER if error.http_status == 503 else None)


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
