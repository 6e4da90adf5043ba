"""The passport of a model version: its inputs on five levels, and the result that was derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamflow.core.training_set import TrainingSet

SCHEMA = 1


def passport(
    rows: TrainingSet,
    *,
    features: Mapping[str, Any],
    code: Mapping[str, Any],
    environment: Mapping[str, Any],
    configuration: Mapping[str, Any],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of passport.json. No key of a person is in it: keys are a digest, derived again from the frozen rows.

    `result` adds what training made of the training set: digests of keys, model and predictions, metrics.
    """
    data = {
        "as_of": rows.as_of.isoformat(),
        "label_as_of": rows.label_as_of.isoformat(),
        "known_at": rows.known_at.isoformat(),
        "sources": [
            {"table": s.table, "as_of": s.as_of.isoformat(), "revision": s.revision, "digest": s.digest} for s in rows.sources
        ],
    }
    levels = {
        "data": data,
        "features": dict(features),
        "code": dict(code),
        "environment": dict(environment),
        "configuration": dict(configuration),
    }
    training_set = {"rows": len(rows.frame), "digest": rows.digest}
    return {"schema": SCHEMA, "levels": levels, "result": {"training_set": training_set, **result}}
