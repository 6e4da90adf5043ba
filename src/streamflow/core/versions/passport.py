"""The passport of a model version: its inputs on five levels, and the result made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from streamflow.core.data.instants import format_instant
from streamflow.core.data.json_text import MALFORMED_JSON, parse_json
from streamflow.core.statistics.old_metric_names import translate_old_metrics
from streamflow.core.training.training_set import Source, TrainingSet
from streamflow.core.versions.recorded_months import (
    RecordedMonth,
    join_sources,
    read_months,
    record_months,
)

if TYPE_CHECKING:
    import polars as pl

# Schema 1 held no definitions; schema 2 held no calibrator and no threshold. A rebuild needs them.
# Schema 3 held no digest of the background, and different names of some metrics. Schema 4 held no
# digest of the files that only stock MLflow clients use. Both are still read.
SCHEMA = 5
# The schema of a version of many months. Code that does not know the months must not read it: it
# would rebuild the newest month alone.
MONTHS_SCHEMA = 6
READABLE_SCHEMAS = (3, 4, SCHEMA, MONTHS_SCHEMA)

LEVELS_WITHOUT_INSTANTS = ("features", "code", "environment", "configuration")


@dataclass(frozen=True, kw_only=True)
class Passport:
    """The content of passport.json.

    It holds no key of a person: the keys are a digest, which is computed again from the frozen
    rows. The dates and K are those of the newest month.

    sources        every frozen revision that was read
    recorded_months
                   every month, the oldest first, if there are several; empty for one month
    features       the canonical catalog and the feature service
                   (core/data/catalog_definitions.py)
    code           digest of each of our files, commit, files that differ from the commit
    environment    interpreter, platform, distributions
    configuration  semantic setting -> its value and its origin
    result         what was made: digests of training set, keys, model and predictions; metrics
    certificate    the result of the check of every instant at training
    schema         the schema of the file that it was read from
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
    schema: int = SCHEMA
    recorded_months: tuple[RecordedMonth, ...] = ()

    @property
    def months(self) -> tuple[Passport, ...]:
        """Return a passport for each month, the oldest first.

        Each has the dates, the K and the revisions of its month. Of one month, that is this one.
        """
        if not self.recorded_months:
            return (self,)
        sources = {source.revision_key: source for source in self.sources}
        return tuple(
            replace(
                self,
                as_of=month.as_of,
                label_as_of=month.label_as_of,
                known_at=month.known_at,
                sources=tuple(sources[revision] for revision in month.revisions),
                recorded_months=(),
            )
            for month in self.recorded_months
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Return the value of each semantic setting."""
        return {name: setting["value"] for name, setting in self.configuration.items()}

    @property
    def values(self) -> dict[str, Any]:
        """Return the passport in plain values, as it is written."""
        levels = {
            "data": self._data_values,
            "features": dict(self.features),
            "code": dict(self.code),
            "environment": dict(self.environment),
            "configuration": dict(self.configuration),
        }
        return {
            "schema": self.schema,
            "levels": levels,
            "result": dict(self.result),
            "certificate": dict(self.certificate),
        }

    @property
    def _data_values(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "as_of": self.as_of.isoformat(),
            "label_as_of": self.label_as_of.isoformat(),
            "label_lead": self.label_lead,
            "known_at": self.known_at.isoformat(),
            "sources": [_source_to_values(source) for source in self.sources],
        }
        if self.recorded_months:
            values["months"] = [month.values for month in self.recorded_months]
        return values


def merge_months(newest: Passport, months: Sequence[Passport]) -> Passport:
    """Return the passport of all these months; everything but the data is from `newest`.

    `months` are passports of one month each, the oldest first.
    """
    last = months[-1]
    return replace(
        newest,
        as_of=last.as_of,
        label_as_of=last.label_as_of,
        known_at=last.known_at,
        sources=join_sources(months),
        recorded_months=record_months(months),
    )


def _source_to_values(source: Source) -> dict[str, Any]:
    instants = {"as_of": source.as_of.isoformat(), "known_at": source.known_at.isoformat()}
    return {**vars(source), **instants, "columns": dict(source.columns)}


def _source_from_values(values: Mapping[str, Any]) -> Source:
    instants = {name: datetime.fromisoformat(values[name]) for name in ("as_of", "known_at")}
    return Source(**{**values, **instants})


def make_passport(rows: TrainingSet, **levels: Mapping[str, Any]) -> Passport:
    """Make the passport of a version that was trained on `rows`."""
    return Passport(
        as_of=rows.as_of,
        label_as_of=rows.label_as_of,
        label_lead=rows.label_lead,
        known_at=rows.known_at,
        sources=join_sources(rows.months),
        recorded_months=record_months(rows.months),
        schema=MONTHS_SCHEMA if rows.earlier else SCHEMA,
        **levels,
    )


def parse_passport(text: bytes) -> Passport:
    """Read passport.json. The metrics of an older schema get the names of today.

    Raises ValueError when this code cannot read it as a passport.
    """
    values = parse_json(text)
    if not isinstance(values, dict) or "levels" not in values:
        raise ValueError("it is not a passport")
    schema = values.get("schema")
    if schema not in READABLE_SCHEMAS:
        readable = ", ".join(map(str, READABLE_SCHEMAS))
        raise ValueError(f"it has schema {schema}, this code reads the schemas {readable}")
    try:
        levels = values["levels"]
        data = levels["data"]
        sources = tuple(_source_from_values(source) for source in data["sources"])
        passport = Passport(
            as_of=datetime.fromisoformat(data["as_of"]),
            label_as_of=datetime.fromisoformat(data["label_as_of"]),
            known_at=datetime.fromisoformat(data["known_at"]),
            label_lead=data["label_lead"],
            sources=sources,
            recorded_months=read_months(data["months"], sources) if schema == MONTHS_SCHEMA else (),
            **{name: levels[name] for name in LEVELS_WITHOUT_INSTANTS},
            result=_read_result(values["result"]),
            certificate=values["certificate"],
            schema=schema,
        )
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing, or its value has the wrong type") from exc
    newest = passport.months[-1]
    dates = (passport.as_of, passport.label_as_of, passport.known_at)
    if dates != (newest.as_of, newest.label_as_of, newest.known_at):
        raise ValueError("its dates are not those of its newest month")
    return passport


def _read_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with today's names of all metrics."""
    return {**result, "metrics": translate_old_metrics(result["metrics"])}


def summarize_training_set(rows: TrainingSet) -> dict[str, Any]:
    """Describe a training set as part of a result.

    Returns the number of rows, the digest, and the digest of each feature and of the label. Of
    many months it returns these for each month, and the number of all rows with their digest.
    """
    if not rows.earlier:
        return _summarize_month(rows)
    months = {format_instant(month.as_of): _summarize_month(month) for month in rows.months}
    return {"rows": rows.row_count, "digest": rows.digest, "months": months}


def _summarize_month(rows: TrainingSet) -> dict[str, Any]:
    digests = rows.content.column_values
    columns = {name: digest for name, digest in digests.items() if name != rows.key}
    return {"rows": len(rows.frame), "digest": rows.content.value, "columns": columns}


def pair_months(
    recorded: Mapping[str, Any], current: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    """Pair the months of two summaries of training sets.

    Returns:
        the name of each month with both summaries; None where one of the two has no such month.
        The name is empty where neither set has several months.
    """
    if "months" not in recorded and "months" not in current:
        return [("", recorded, current)]
    recorded_months = recorded.get("months", {})
    current_months = current.get("months", {})
    names = dict.fromkeys([*recorded_months, *current_months])
    return [(name, recorded_months.get(name), current_months.get(name)) for name in names]


def summarize_keys(keys: pl.Series) -> dict[str, Any]:
    """Describe keys as part of a result, without naming a key.

    Returns the number of keys, and the sha256 over them in order. Each key ends with a NUL, which
    no key can hold.

    >>> import polars as pl
    >>> summarize_keys(pl.Series(["a", "b"]))["rows"]
    2
    """
    text = "".join(f"{key}\0" for key in keys)
    return {"rows": len(keys), "digest": sha256(text.encode()).hexdigest()}
