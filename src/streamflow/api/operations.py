"""What the OpenAPI document says of an operation: its group, and the statuses that it can give."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from streamflow.api.answers import Refusal

PREDICTIONS = "predictions"
MODEL = "model"
HEALTH = "health"
INFERENCE = "open inference protocol"
MLFLOW = "mlflow"

TAGS = [
    {"name": PREDICTIONS, "description": "Predictions, their reasons, and the live features."},
    {"name": MODEL, "description": "The version that answers."},
    {"name": HEALTH, "description": "Whether the API is alive, and whether it can predict."},
    {"name": INFERENCE, "description": "The same predictions by the Open Inference Protocol v2."},
    {"name": MLFLOW, "description": "The same predictions by the routes of MLflow's server."},
]

MEANINGS = {
    400: "the host is not in the setting api_allowed_hosts",
    401: "the request has no key in force; only where keys are required",
    403: "the scope of the key is not enough; only where keys are required",
    404: "the name in the request is unknown: of a user, or of a model",
    408: "the body did not arrive in time",
    413: "the body is larger than the setting api_max_body",
    422: "the request is malformed, or features have no value",
    431: "the request line and the headers are too large, or there are too many headers",
    500: "unforeseen: the log has the details under the id of the request",
    503: "a part of the installation does not answer, or no version is in Production",
}

# Every operation checks the host and the size of the head.
EVERYWHERE = (400, 431)
# An operation that asks for a key. It also fails while the keys are unknown.
GUARDED = (*EVERYWHERE, 401, 403, 503)
# An operation that asks for a key, and reads the database.
READING = (*GUARDED, 500)
# An operation that asks for a key, reads a body and checks it, and reads the database.
WITH_BODY = (*READING, 408, 413, 422)


def describe_answers(
    model: type[BaseModel] | None,
    *statuses: int,
) -> dict[int | str, dict[str, Any]]:
    """Describe the answers of an operation, without checking them.

    Args:
        model: the answer with status 200; None: it is a text
        statuses: every status with which the operation can refuse a request
    """
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": Refusal, "description": MEANINGS[status]} for status in sorted(statuses)
    }
    if model is None:
        content = {"text/plain": {"schema": {"type": "string"}}}
        answers[200] = {"content": content, "description": "The answer as text."}
    else:
        answers[200] = {"model": model, "description": (model.__doc__ or "").strip()}
    return answers
