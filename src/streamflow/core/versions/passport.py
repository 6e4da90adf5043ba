"""The passport of a model version: its inputs on five levels, and the result that was derived from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import polars as pl

from streamflow.core.training.training_set import Source, TrainingSet

SCHEMA = 3  # 1 held no definitions, 2 no calibrator and threshold: what a rebuild needs


@dataclass(frozen=True, kw_only=True)
class Passport:
    """The content of passport.json. No key of a person is in it: keys are a digest, derived again from the frozen rows.

    sources        every frozen revision that was read
    features       the canonical catalog and the feature service (core/data/catalog_definitions.py)
    code           digest of each of our files, commit, files that differ from it
    environment    interpreter, platform, distributions
    configuration  semantic setting -> its value and origin
    result         what was derived: digests of training set, keys, model and predictions, metrics
    certificate    what the check of every instant found when it was trained
    """

    as_of: datetime
    label_as_of: datetime
    label_lead: int
    known_at: datetime
    sources: tuple[Source, ...]
    features: Mapping[str, Any]
    code: Mapping[str, Any]
    environment: Mapping[str, Any]
    configuration: Mapping[str, Any]
    result: Mapping[str, Any]
    certificate: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Semantic setting -> value."""
        return {name: setting["value"] for name, setting in self.configuration.items()}

    @property
    def values(self) -> dict[str, Any]:
        """The passport in plain values, as it is written."""
        levels = {
            "data": {
                "as_of": self.as_of.isoformat(),
                "label_as_of": self.label_as_of.isoformat(),
                "label_lead": self.label_lead,
                "known_at": self.known_at.isoformat(),
                "sources": [_source_values(source) for source in self.sources],
            },
            "features": dict(self.features),
            "code": dict(self.code),
            "environment": dict(self.environment),
            "configuration": dict(self.configuration),
        }
        return {
            "schema": SCHEMA,
            "levels": levels,
            "result": dict(self.result),
            "certificate": dict(self.certificate),
        }


def _source_values(source: Source) -> dict[str, Any]:
    instants = {"as_of": source.as_of.isoformat(), "known_at": source.known_at.isoformat()}
    return {**vars(source), **instants, "columns": dict(source.columns)}


def passport_of(rows: TrainingSet, **levels: Mapping[str, Any]) -> Passport:
    """The passport of what was trained on `rows`."""
    return Passport(
        as_of=rows.as_of,
        label_as_of=rows.label_as_of,
        label_lead=rows.label_lead,
        known_at=rows.known_at,
        sources=rows.sources,
        **levels,
    )


def parse_passport(text: bytes) -> Passport:
    """Read passport.json. Raises ValueError when it is none that this code can read."""
    found = json.loads(text)
    if not isinstance(found, dict) or "levels" not in found:
        raise ValueError("it is no passport")
    if found.get("schema") != SCHEMA:
        raise ValueError(f"it has schema {found.get('schema')}, this code reads {SCHEMA}")
    try:
        levels = found["levels"]
        data = levels["data"]
        return Passport(
            as_of=datetime.fromisoformat(data["as_of"]),
            label_as_of=datetime.fromisoformat(data["label_as_of"]),
            known_at=datetime.fromisoformat(data["known_at"]),
            label_lead=data["label_lead"],
            sources=tuple(_source(values) for values in data["sources"]),
            **{name: levels[name] for name in ("features", "code", "environment", "configuration")},
            result=found["result"],
            certificate=found["certificate"],
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{exc!r} is missing or no value of its kind") from exc


def _source(values: Mapping[str, Any]) -> Source:
    instants = {name: datetime.fromisoformat(values[name]) for name in ("as_of", "known_at")}
    return Source(**{**values, **instants})


def training_set_result(rows: TrainingSet) -> dict[str, Any]:
    """What a training set is, as part of a result: rows, digest, and that of each feature and of the label."""
    columns = {
        name: digest for name, digest in rows.content.column_values.items() if name != rows.key
    }
    return {"rows": len(rows.frame), "digest": rows.digest, "columns": columns}


def keys_result(keys: pl.Series) -> dict[str, Any]:
    """How many keys, and sha256 over them in order, each ended by NUL, which no key holds.

    >>> keys_result(pl.Series(["a", "b"]))["rows"]
    2
    """
    return {
        "rows": len(keys),
        "digest": sha256("".join(f"{key}\0" for key in keys).encode()).hexdigest(),
    }
