"""score: what a version says of every key of a drop, from the frozen rows, into a table and a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from streamflow.core.data.digest import digest_frame
from streamflow.core.data.instants import instant
from streamflow.core.serving.completeness import Policy, policy_of
from streamflow.core.serving.frame_completeness import complete_frame
from streamflow.core.training.training_set import revision_in_words
from streamflow.errors import NotMigrated, SnapshotMissing, VersionMissing
from streamflow.features.drop_features import (
    PART,
    PopulationView,
    as_of_column,
    population_parts,
    views_at,
)
from streamflow.files import frames
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.steps.serving.explain import reasons_of_rows
from streamflow.steps.stages.transitions import reconcile, served
from streamflow.warehouse import frozen, ledger, scores
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.scores import ScoreRun

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor
    from streamflow.models.registry import ModelVersion

FORM = 1  # of the evidence: another form is another run


@dataclass(frozen=True, kw_only=True)
class ScoreReceipt:
    """What was scored, or had been. `new`: it was done now. `revisions`: what was read, in words."""

    run: ScoreRun
    revisions: tuple[str, ...]
    new: bool
    out: Path | None


@dataclass(frozen=True, kw_only=True)
class _Task:
    """All that decides what is said of each key."""

    at: datetime
    known_at: datetime
    version: ModelVersion
    predictor: Predictor
    views: tuple[PopulationView, ...]
    policy: Policy
    read: tuple[Revision, ...]
    population: Revision
    explain: bool

    @property
    def evidence(self) -> dict[str, Any]:
        """The same for what gives the same scores."""
        return {
            "form": FORM,
            "as_of": self.at.isoformat(),
            "run_id": self.version.run_id,
            "version": self.version.version,
            "digests": {
                name: self.version.tags[name]
                for name in ("model_digest", "decision_digest", "feature_service")
            },
            "nullable": sorted(f.name for f in self.policy.features if f.nullable),
            "policy": self.policy.declared,
            "explained": self.explain,
            "revisions": [[r.table, r.as_of.isoformat(), r.revision, r.digest] for r in self.read],
        }


def score(
    platform: Platform,
    as_of: date,
    *,
    version: int | None = None,
    out: Path | None = None,
    explain: bool = False,
    part: int = PART,
    notify: Callable[[str], None] = lambda _: None,
) -> ScoreReceipt:
    """Score every key of the drop of `as_of` by the version in Production, or by `version`; write the rows to `out` too.

    part   keys at a time: what bounds the memory, and changes no answer

    What was scored before of the same rows by the same version is not scored again. Raises SnapshotMissing, VersionMissing,
    ArtifactUntrusted; SnapshotMissing also when a key is forgotten meanwhile: nothing is written then.
    """
    if out is not None:
        frames.require_kind(out)
    task = _task(platform, as_of, version, explain)
    digest = sha256(json.dumps(task.evidence, sort_keys=True).encode()).hexdigest()
    with scores.one_at_a_time(platform.connection, digest):
        run = scores.find(platform.connection, digest)
        new = run is None
        run = run or _scored(platform, task, digest, part, notify)
    if out is not None:
        notify(f"writing {out}")
        frames.write_parts(_file_rows(platform, task, run), out, facts=_facts(task, run))
    words = tuple(revision_in_words(r.table, r.as_of, r.revision) for r in task.read)
    return ScoreReceipt(run=run, revisions=words, new=new, out=out)


def _task(platform: Platform, as_of: date, number: int | None, explain: bool) -> _Task:
    at = instant(as_of)
    version, predictor = _loaded(platform, number)
    service = platform.services().get(version.tags["feature_service"])
    if service is None:
        raise NotMigrated(
            f"version {version.version} reads the feature service {version.tags['feature_service']}, unknown here"
        )
    known_at = frozen.known_now(platform.connection)
    newest = frozen.revisions(platform.connection, known_at=known_at, last=at)
    entity = platform.catalog.entity.table
    population = next((r for r in newest if r.table == entity and r.as_of == at), None)
    if population is None:
        known = ", ".join(f"{r.as_of:%Y-%m-%d}" for r in newest if r.table == entity) or "none"
        raise SnapshotMissing(f"there is no snapshot of {as_of}; frozen until then are: {known}")
    views = views_at(service, at, _places(newest))
    seen = {(view.table, *place) for view in views for place in view.places} | {
        (entity, at, population.revision)
    }
    return _Task(
        at=at,
        known_at=known_at,
        version=version,
        predictor=predictor,
        views=views,
        policy=policy_of(platform.catalog, [f.ref for f in service]),
        read=tuple(r for r in newest if (r.table, r.as_of, r.revision) in seen),
        population=population,
        explain=explain,
    )


def _loaded(platform: Platform, number: int | None) -> tuple[ModelVersion, Predictor]:
    """The version, and what answers for it; what was changed in MLflow is entered first."""
    reconcile(platform)
    with ledger.together(platform.connection):
        version = served(platform) if number is None else platform.models.version(number)
        if version is None:
            raise VersionMissing(f"no version of {platform.catalog.model} is in Production")
        return version, platform.models.load_tried(version)


def _places(newest: list[Revision]) -> Mapping[str, list[tuple[datetime, int]]]:
    places: dict[str, list[tuple[datetime, int]]] = {}
    for revision in newest:
        places.setdefault(revision.table, []).append((revision.as_of, revision.revision))
    return places


def _scored(
    platform: Platform, task: _Task, digest: str, part: int, notify: Callable[[str], None]
) -> ScoreRun:
    """Score part by part, in one transaction; the next part is read while one is scored."""
    progress = Progress(
        notify,
        f"scoring {task.at:%Y-%m-%d} by version {task.version.version}",
        task.population.rows,
    )
    said: list[pl.DataFrame] = []
    flagged = missing = 0
    with scores.writing(platform.connection, platform.address) as writing:
        for rows in _ahead(_parts(platform, task, part)):
            scored = _answers(platform, task, rows)
            writing.add(scored)
            said.append(scored.select("key", "probability"))
            flagged += int(scored["prediction"].sum() or 0)
            missing += scored["missing"].count()
            progress.add(len(scored))
        whole = (
            pl.concat(said)
            if said
            else pl.DataFrame(schema={"key": pl.String, "probability": pl.Float64})
        )
        notify("entering the run, unless a key was forgotten meanwhile")
        writing.hold_still()
        _require_unchanged(platform, task)
        facts = {
            "as_of": task.at,
            "known_at": task.known_at,
            "model": platform.catalog.model,
            "version": task.version.version,
            "run_id": task.version.run_id,
            "threshold": task.predictor.threshold,
            "explained": task.explain,
            "rows": len(whole),
            "flagged": flagged,
            "missing": missing,
            "digest": digest_frame(
                whole, key="key", types={"key": "string", "probability": "float"}
            ).value,
            "evidence_digest": digest,
        }
        writing.finish(platform.connection, facts, task.evidence)
    run = scores.find(platform.connection, digest)
    assert run is not None
    return run


def _require_unchanged(platform: Platform, task: _Task) -> None:
    """Whoever was forgotten while we scored must not come back with the scores."""
    now = {
        (r.table, r.as_of, r.revision): r.digest for r in frozen.all_revisions(platform.connection)
    }
    for r in task.read:
        if now.get((r.table, r.as_of, r.revision)) != r.digest:
            words = revision_in_words(r.table, r.as_of, r.revision)
            raise SnapshotMissing(
                f"{words} was changed by 'forget' or 'prune' while it was scored",
                state="Nothing was written.",
                remedy="Run the command again.",
            )


def _parts(platform: Platform, task: _Task, part: int) -> Iterator[pl.DataFrame]:
    population = task.population.table, (task.at, task.population.revision)
    return population_parts(
        platform.address,
        task.views,
        key=platform.catalog.entity.key,
        population=population,
        at=task.at,
        part=part,
    )


def _ahead(rows: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same, each part read while the one before it is worked on."""
    with ThreadPoolExecutor(max_workers=1) as reading:
        coming = reading.submit(next, rows, None)
        while (part := coming.result()) is not None:
            coming = reading.submit(next, rows, None)
            yield part


def _answers(platform: Platform, task: _Task, rows: pl.DataFrame) -> pl.DataFrame:
    """key, features_as_of, probability, prediction, missing, defaulted, reasons of each row."""
    completed = complete_frame(
        task.policy, rows, {view.name: as_of_column(view.name) for view in task.views}, task.at
    )
    facts = completed.facts
    answered = facts["reason"].is_null()
    whole = completed.values.filter(answered)
    probability = np.full(len(rows), np.nan)
    probability[answered.to_numpy()] = task.predictor.probability(whole)
    said = pl.Series("probability", probability).fill_nan(None)
    reasons = pl.Series("reasons", [None] * len(rows), dtype=pl.String)
    if task.explain:
        told = iter(reasons_of_rows(platform.catalog, task.predictor, whole))
        reasons = pl.Series(
            "reasons", [next(told) if is_whole else None for is_whole in answered], dtype=pl.String
        )
    return pl.DataFrame(
        {
            "key": rows[platform.catalog.entity.key].cast(pl.String),
            "features_as_of": facts["as_of"],
            "probability": said,
            "prediction": (said >= task.predictor.threshold).cast(pl.Int16),
            "missing": _in_words(
                facts.select(pl.concat_list("missing_features", "stale_features")).to_series()
            ),
            "defaulted": _in_words(facts["defaulted"]),
            "reasons": reasons,
        }
    )


def _in_words(names: pl.Series) -> pl.Series:
    """Names in one text; null where there are none."""
    return names.list.join(", ").replace("", None)


def _file_rows(platform: Platform, task: _Task, run: ScoreRun) -> Iterator[pl.DataFrame]:
    """The rows of a file: what was said of each key, and by what."""
    key = platform.catalog.entity.key
    of_run = {
        "as_of": run.as_of.date(),
        "model": run.model,
        "version": run.version,
        "threshold": run.threshold,
        "revision": task.population.revision,
        "score_run": run.id,
    }
    for rows in scores.rows_of(platform.address, run):
        yield rows.rename({"key": key}).with_columns(
            **{name: pl.lit(value) for name, value in of_run.items()}
        )


def _facts(task: _Task, run: ScoreRun) -> dict[str, str]:
    """What a Parquet file says of itself."""
    return {
        "streamflow.score": json.dumps(
            {**task.evidence, "known_at": run.known_at.isoformat(), "digest": run.digest}
        )
    }
