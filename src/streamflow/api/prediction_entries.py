"""What the answers of the API say of a prediction, and of the version that makes it."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from streamflow.steps.serving.predict import Prediction
from streamflow.steps.serving.serving_version import Serving


def prediction_answer(key_name: str, prediction: Prediction, serving: Serving) -> bytes:
    """Return the answer of /predict as JSON. Floats keep their 64 bits."""
    entry = prediction_entry(key_name, prediction)
    return to_json({**entry, "model": model_name(serving)})


def model_name(serving: Serving) -> dict[str, Any]:
    """Return the fields of an answer that name the version that answers."""
    return {"name": serving.model, "version": serving.version, "run_id": serving.run_id}


def prediction_entry(key_name: str, prediction: Prediction) -> dict[str, Any]:
    """Return the fields of a prediction for one key."""
    return {
        key_name: prediction.key,
        "prediction": prediction.prediction,
        "probability": prediction.probability,
        "features_used": prediction.features,
        # A name that is there already keeps its place.
        **decision_values(prediction),
    }


def decision_values(prediction: Prediction) -> dict[str, Any]:
    """Return what every kind of answer has of a prediction."""
    return {
        "prediction": prediction.prediction,
        "probability": prediction.probability,
        "as_of": prediction.as_of.isoformat(),
        "age_days": prediction.age_days,
        "defaulted": prediction.defaulted,
    }
