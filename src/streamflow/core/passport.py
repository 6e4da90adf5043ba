"""The passport of a model version: its inputs on five levels, and the result that was derived from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from streamflow.core.training_set import TrainingSet

SCHEMA = 1


def passport(
    rows: TrainingSet,
    *,
    features: Mapping[str, Any],
    code: Mapping[str, str],
    environment: Mapping[str, Any],
    configuration: Mapping[str, Any],
    result: Mapping[str, Any],
) -> str:
    """The passport as canonical JSON. No key of a person is in it: keys are digests.

    `result` adds to the digest of the training set what training made of it (digests of the model, metrics).
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
    derived = {"training_set": {"rows": len(rows.frame), "digest": rows.digest}, **result}
    document = {"schema": SCHEMA, "levels": levels, "result": derived}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def passport_digest(text: str) -> str:
    """sha256 of a passport's bytes.

    >>> passport_digest("")[:8]
    'e3b0c442'
    """
    return sha256(text.encode()).hexdigest()
