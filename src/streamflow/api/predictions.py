"""The endpoints on users: their features and predictions. Names and types come from the catalog.

FastAPI reads annotations of functions that are made per application: they must be values here, not text.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request, Response
from pydantic_core import to_json

from streamflow.api.refusals import why
from streamflow.api.request_context import notes_of
from streamflow.api.schema import Answers, ok
from streamflow.api.state import ServingState
from streamflow.catalog import Catalog
from streamflow.errors import EntityUnknown, StreamflowError
from streamflow.steps.serving.explain import Reasons
from streamflow.steps.serving.predict import Prediction, Serving, as_key


def add_predictions(app: FastAPI, state: ServingState, answers: Answers) -> None:
    """Add them to `app`."""
    catalog, ask, ask_batch, path_key = (
        state.platform.catalog,
        answers.ask,
        answers.ask_batch,
        answers.path_key,
    )
    key_name = catalog.entity.key

    @app.post("/predict", response_model=None, responses=ok(answers.prediction))
    async def predict(body: ask, request: Request) -> Response:  # type: ignore[valid-type]
        """The prediction for one key, with what it was made of."""
        notes, key = notes_of(request), as_key(catalog, getattr(body, key_name))
        serving, [found] = await state.batcher.answer([key], notes)
        notes.version = serving.version
        if isinstance(found, StreamflowError):
            raise found
        return _json({**_entry(key_name, found), "model": named(serving)})

    @app.post("/predict/batch", response_model=None, responses=ok(answers.predictions))
    async def predict_batch(body: ask_batch, request: Request) -> Response:  # type: ignore[valid-type]
        """An entry for each key, in their order: its prediction, or why there is none. One version answers them all."""
        notes, given = notes_of(request), getattr(body, f"{key_name}s")
        keys = [_key_or_why(catalog, one) for one in given]
        known = [key for key in keys if not isinstance(key, EntityUnknown)]
        serving, answered = await state.batcher.answer(known, notes)
        notes.version = serving.version
        left = iter(answered)
        found = [key if isinstance(key, EntityUnknown) else next(left) for key in keys]
        entries = [_entry_or_why(key_name, *each) for each in zip(given, found, strict=True)]
        return _json({"predictions": entries, "model": named(serving)})

    @app.get(
        f"/features/{{{key_name}}}",
        summary="Features",
        response_model=None,
        responses=ok(answers.features),
    )
    async def features(text: Annotated[path_key, Path(alias=key_name)]) -> Response:  # type: ignore[valid-type]  # of the catalog
        """The live features of one key as they are: nothing is refused or put in for what is absent or too old."""
        key = as_key(catalog, text)
        return _json({key_name: key, **(await state.features(key)).plain})

    @app.post("/explain", response_model=None, responses=ok(answers.reasons))
    async def explain(body: ask, request: Request) -> Response:  # type: ignore[valid-type]
        """What each feature adds to what the served version says of one key, beside what is usual. It is not logged."""
        key = as_key(catalog, getattr(body, key_name))
        found = await state.reasons(key)
        notes_of(request).version = found.version
        return _json(_explained(key_name, found))


def named(serving: Serving) -> dict[str, Any]:
    """The version that answers."""
    return {"name": serving.model, "version": serving.version, "run_id": serving.run_id}


def _json(content: Mapping[str, Any]) -> Response:
    """Floats keep their 64 bits."""
    return Response(to_json(content), media_type="application/json")


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


def _explained(key_name: str, found: Reasons) -> dict[str, Any]:
    """Base + the contributions = margin, to 1e-6; the largest contribution first."""
    told = found.explanation
    return {
        key_name: found.key,
        "prediction": found.prediction,
        "probability": found.probability,
        "threshold": found.threshold,
        "unit": told.unit,
        "base": told.base,
        "margin": told.margin,
        "contributions": [
            {**vars(one), "population": vars(one.population)} for one in told.contributions
        ],
        "model": {"name": found.model, "version": found.version, "run_id": found.run_id},
        "as_of": found.as_of.isoformat(),
        "age_days": found.age_days,
        "defaulted": found.defaulted,
    }


def _entry_or_why(
    key_name: str, given: str | int, found: Prediction | StreamflowError
) -> dict[str, Any]:
    return (
        {key_name: given, **why(found)}
        if isinstance(found, StreamflowError)
        else _entry(key_name, found)
    )


def _key_or_why(catalog: Catalog, given: str | int) -> str | int | EntityUnknown:
    try:
        return as_key(catalog, given)
    except EntityUnknown as error:
        return error
