"""Predictions for a list of keys, all or none, for protocols that cannot refuse a single key."""

from __future__ import annotations

from collections.abc import Sequence

from streamflow.api.state import ServingState
from streamflow.errors import StreamflowError
from streamflow.steps.serving.predict import Prediction, parse_key
from streamflow.steps.serving.serving_version import Serving
from streamflow.web.request_context import Notes


async def predict_all(
    state: ServingState,
    raw_keys: Sequence[str | int],
    notes: Notes,
) -> tuple[Serving, list[Prediction]]:
    """Predict for all keys, in their order, as /predict does for each of them.

    If one key has no prediction, the client gets none, and none is logged.

    Raises:
        StreamflowError: the error with which /predict refuses the first key without a prediction,
            or refuses any key now.
    """
    catalog = state.platform.catalog
    keys = [parse_key(catalog, raw_key) for raw_key in raw_keys]
    serving, answers = await state.batcher.answer(keys, notes, needs_all=True)
    notes.version = serving.version
    predictions = []
    for answer in answers:
        if isinstance(answer, StreamflowError):
            raise answer
        predictions.append(answer)
    return serving, predictions
