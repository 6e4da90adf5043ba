"""The endpoints on users: features, predictions and reasons. The catalog gives names and types.

FastAPI reads the annotations of functions that are made for each application. They must be types
here, not text, so this module has no `from __future__ import annotations`.
"""

from typing import Annotated, Any
from urllib.parse import quote, unquote_to_bytes

from fastapi import FastAPI, Path, Request, Response
from starlette.convertors import Convertor, register_url_convertor

from streamflow.api.endpoint_scopes import FEATURES_PREFIX
from streamflow.api.json_response import json_response
from streamflow.api.operations import PREDICTIONS, READING, WITH_BODY, describe_answers
from streamflow.api.prediction_entries import model_name, prediction_answer, prediction_entry
from streamflow.api.schema import EndpointModels
from streamflow.api.state import ServingState
from streamflow.catalog import Catalog
from streamflow.errors import EntityUnknown, StreamflowError
from streamflow.steps.serving.explain import ExplainedPrediction
from streamflow.steps.serving.predict import Prediction, parse_key, unknown_key_error
from streamflow.web.refusals import error_body
from streamflow.web.request_context import notes_of


def add_predictions(app: FastAPI, state: ServingState, models: EndpointModels) -> None:
    """Add the endpoints on users to the application."""
    _add_predict(app, state, models)
    _add_predict_batch(app, state, models)
    _add_features(app, state, models)
    _add_explain(app, state, models)


def _add_predict(app: FastAPI, state: ServingState, models: EndpointModels) -> None:
    catalog = state.platform.catalog
    key_name = catalog.entity.key
    ask = models.ask

    @app.post(
        "/predict",
        operation_id="predict",
        tags=[PREDICTIONS],
        response_model=None,
        responses=describe_answers(models.prediction, *WITH_BODY, 404),
    )
    async def predict(body: ask, request: Request) -> Response:  # type: ignore[valid-type]
        """Predict for one key. The answer contains the values that the prediction is made from."""
        notes = notes_of(request)
        key = parse_key(catalog, getattr(body, key_name))
        serving, [answer] = await state.batcher.answer([key], notes)
        notes.version = serving.version
        if isinstance(answer, StreamflowError):
            raise answer
        content = prediction_answer(key_name, answer, serving)
        return Response(content, media_type="application/json")


def _add_predict_batch(app: FastAPI, state: ServingState, models: EndpointModels) -> None:
    catalog = state.platform.catalog
    key_name = catalog.entity.key
    batch = models.ask_batch

    @app.post(
        "/predict/batch",
        operation_id="predict_batch",
        tags=[PREDICTIONS],
        response_model=None,
        responses=describe_answers(models.predictions, *WITH_BODY),
    )
    async def predict_batch(body: batch, request: Request) -> Response:  # type: ignore[valid-type]
        """Predict for several keys, in their order.

        Each entry is a prediction, or the reason why there is none. One version answers all keys.
        """
        notes = notes_of(request)
        raw_keys = getattr(body, f"{key_name}s")
        keys = [_parse_key(catalog, raw_key) for raw_key in raw_keys]
        valid_keys = [key for key in keys if not isinstance(key, EntityUnknown)]
        serving, answers = await state.batcher.answer(valid_keys, notes)
        notes.version = serving.version
        remaining_answers = iter(answers)
        entries = []
        for raw_key, key in zip(raw_keys, keys, strict=True):
            answer = key if isinstance(key, EntityUnknown) else next(remaining_answers)
            entries.append(_batch_entry(key_name, raw_key, answer))
        return json_response({"predictions": entries, "model": model_name(serving)})


def _add_features(app: FastAPI, state: ServingState, models: EndpointModels) -> None:
    catalog = state.platform.catalog
    key_name = catalog.entity.key
    path_key = models.path_key

    path = Path(alias=key_name, description=f"the key of the {catalog.entity.name}")

    register_url_convertor("key", _KeyConvertor())

    @app.get(
        f"{FEATURES_PREFIX}{{{key_name}:key}}",
        operation_id="get_features",
        tags=[PREDICTIONS],
        summary="Features",
        response_model=None,
        responses=describe_answers(models.features, *READING, 404, 422),
    )
    async def features(
        text: Annotated[path_key, path],  # type: ignore[valid-type]
        request: Request,
    ) -> Response:
        """Return the live features of one key as they are stored.

        Values that are absent or too old are neither refused nor replaced.
        """
        _require_utf8(catalog, request)
        key = parse_key(catalog, text)
        row = await state.features(key)
        return json_response({key_name: key, **row.json_values})


class _KeyConvertor(Convertor[str]):
    """Tells the router that a key is the whole rest of a path, with its slashes and line ends."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """Return the key that a path names, unchanged."""
        return value

    def to_string(self, value: str) -> str:
        """Return a key as it is written in a path."""
        return quote(value, safe="")


def _require_utf8(catalog: Catalog, request: Request) -> None:
    """Check that the path is UTF-8.

    The server decodes a path with replacements, and the result could be the key of another user.

    Raises:
        EntityUnknown: the path is not UTF-8, so nobody has its key.
    """
    raw_path = unquote_to_bytes(request.scope["raw_path"])
    try:
        raw_path.decode()
    except UnicodeDecodeError as exc:
        text = raw_path.decode(errors="backslashreplace").removeprefix(FEATURES_PREFIX)
        raise unknown_key_error(catalog, text) from exc


def _add_explain(app: FastAPI, state: ServingState, models: EndpointModels) -> None:
    catalog = state.platform.catalog
    key_name = catalog.entity.key
    ask = models.ask

    @app.post(
        "/explain",
        operation_id="explain",
        tags=[PREDICTIONS],
        response_model=None,
        responses=describe_answers(models.reasons, *WITH_BODY, 404),
    )
    async def explain(body: ask, request: Request) -> Response:  # type: ignore[valid-type]
        """Return how much each feature adds to the prediction for one key, and what is usual.

        The answer is not logged.
        """
        key = parse_key(catalog, getattr(body, key_name))
        reasons = await state.reasons(key)
        notes_of(request).version = reasons.version
        return json_response(_reasons_entry(key_name, reasons))


def _reasons_entry(key_name: str, reasons: ExplainedPrediction) -> dict[str, Any]:
    """Build the answer of /explain.

    The base plus all contributions equals the margin, and the margin plus the calibration is the
    probability in the unit of the answer. The largest contribution is first.
    """
    explanation = reasons.explanation
    contributions = [
        {**vars(contribution), "population": vars(contribution.population)}
        for contribution in explanation.contributions
    ]
    return {
        key_name: reasons.key,
        "prediction": reasons.prediction,
        "probability": reasons.probability,
        "threshold": reasons.threshold,
        "unit": explanation.unit,
        "base": explanation.base,
        "margin": explanation.margin,
        "calibration": explanation.calibration,
        "contributions": contributions,
        "model": {"name": reasons.model, "version": reasons.version, "run_id": reasons.run_id},
        "as_of": reasons.as_of.isoformat(),
        "age_days": reasons.age_days,
        "defaulted": reasons.defaulted,
    }


def _batch_entry(
    key_name: str,
    raw_key: str | int,
    answer: Prediction | StreamflowError,
) -> dict[str, Any]:
    if isinstance(answer, StreamflowError):
        return {key_name: raw_key, **error_body(answer)}
    return prediction_entry(key_name, answer)


def _parse_key(catalog: Catalog, raw_key: str | int) -> str | int | EntityUnknown:
    """Return the key in the type of the catalog, or the error of a text that cannot be a key."""
    try:
        return parse_key(catalog, raw_key)
    except EntityUnknown as error:
        return error
