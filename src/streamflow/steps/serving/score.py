"""score: predict for every key of a drop from the frozen rows, into a table and a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from streamflow.core.data.digest import digest_frame
from streamflow.core.statistics.threshold import comparable_threshold
from streamflow.core.training.flagging import list_flagging_remarks
from streamflow.core.training.training_set import describe_revision
from streamflow.features.drop_features import KEYS_PER_CHUNK, read_population
from streamflow.files import frames
from streamflow.files.read_ahead import read_ahead
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.receipt import Receipt
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.frozen_checks import held_against_digests, require_unchanged
from streamflow.steps.observed import observed
from streamflow.steps.serving.score_file import write_scores
from streamflow.steps.serving.score_summary import summarize
from streamflow.steps.serving.score_task import ScoreTask, plan_scoring
from streamflow.warehouse import scores
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.scores import ScoreRun

if TYPE_CHECKING:
    from streamflow.spark.session import SparkEngine

NOTHING_WRITTEN = "Nothing was written."


@dataclass(frozen=True, kw_only=True)
class ScoreReceipt(Receipt):
    """What a scoring of a drop did, and by which version.

    revisions   the revisions that were read, described for a person
    new         False when an earlier call scored the same rows by the same version
    out         the file that was written, if any
    remarks     sentences about whom the version flags, and about money that is not set
    """

    run: ScoreRun
    revisions: tuple[str, ...]
    new: bool
    out: Path | None
    remarks: tuple[str, ...] = ()


@observed("score")
def score(
    platform: Platform,
    as_of: datetime,
    *,
    version: int | None = None,
    out: Path | None = None,
    explain: bool = False,
    batch_size: int = KEYS_PER_CHUNK,
) -> ScoreReceipt:
    """Score every key of the drop of `as_of`; write the rows to the file `out` too.

    What the same version scored before of the same rows is not scored again.

    Args:
        version: the version that scores; without it the version in Production.
        explain: write the largest reasons of each row too.
        batch_size: keys at a time. It limits the memory, and changes no probability; reasons
            agree to 1e-6.

    Raises:
        VersionMissing: the version does not exist, or none is in Production.
        ArtifactUntrusted: the model file is not the registered one.
        SnapshotMissing: the drop is not frozen, or a key was forgotten during the scoring. Then
            nothing is written.
        SnapshotDamaged: the frozen rows are not the recorded ones. Then nothing is written.
    """
    if out is not None:
        frames.require_known_ending(out)
    task = plan_scoring(platform, as_of, version, explain=explain)
    evidence_digest = sha256(json.dumps(task.evidence, sort_keys=True).encode()).hexdigest()
    with scores.lock_scoring(platform.connection, evidence_digest):
        run = scores.find_run(platform.connection, evidence_digest)
        is_new = run is None
        run = run or _score_all(platform, task, evidence_digest, batch_size)
        summarize(platform, task, run)
    if out is not None:
        write_scores(platform, task, run, out)
    revisions = tuple(_describe_revision(revision) for revision in task.revisions)
    remarks = _list_remarks(task, run)
    return ScoreReceipt(run=run, revisions=revisions, new=is_new, out=out, remarks=remarks)


def _list_remarks(task: ScoreTask, run: ScoreRun) -> tuple[str, ...]:
    """Say whom the version flags, and which money is not set."""
    return list_flagging_remarks(
        task.predictor.decision,
        flagged=run.flagged,
        rows=run.rows - run.missing,
    )


def _describe_revision(revision: Revision) -> str:
    """Return the name of a revision for a person."""
    return describe_revision(*revision.revision_key)


def _score_all(
    platform: Platform,
    task: ScoreTask,
    evidence_digest: str,
    chunk_size: int,
) -> ScoreRun:
    """Score in one transaction; meanwhile hold the rows against the digests of their revisions."""
    engine = open_step_engine(platform)
    with scores.write_run(platform.connection, platform.address) as writing:
        with held_against_digests(platform, task.revisions, state=NOTHING_WRITTEN, engine=engine):
            answers = _answer_chunks(platform, task, chunk_size, engine)
            counts, digest = _write_answers(platform, task, writing, answers)
        platform.notify("entering the run, unless a key was forgotten meanwhile")
        writing.lock_frozen_rows()
        require_unchanged(platform, task.revisions, state=NOTHING_WRITTEN)
        run_values = {
            **_task_values(platform, task),
            **counts,
            "digest": digest,
            "evidence_digest": evidence_digest,
        }
        writing.finish(platform.connection, run_values, task.evidence)
    run = scores.find_run(platform.connection, evidence_digest)
    assert run is not None
    return run


def _answer_chunks(
    platform: Platform, task: ScoreTask, chunk_size: int, engine: SparkEngine | None
) -> Iterator[pl.DataFrame]:
    """Yield the answers of all keys.

    Here, three chunks are at work: one is read while one is scored and one is written.
    """
    rule = task.make_rule(platform.catalog)
    if engine is not None:
        from streamflow.steps.serving.engine_answers import answer_on_engine

        yield from answer_on_engine(platform, engine, task, rule)
        return
    chunks = read_ahead(_feature_chunks(platform, task, chunk_size))
    yield from read_ahead(map(rule.answer, chunks))


def _write_answers(
    platform: Platform,
    task: ScoreTask,
    writing: scores.ScoreWriter,
    answer_chunks: Iterator[pl.DataFrame],
) -> tuple[dict[str, int], str]:
    """Write the answers, chunk by chunk.

    Returns:
        The counts of the run, and the digest of its keys and probabilities.
    """
    progress = Progress(
        platform.notify,
        f"scoring {task.at:%Y-%m-%d} by version {task.version.version}",
        task.population.rows,
    )
    answer_parts: list[pl.DataFrame] = []
    flagged_count = 0
    missing_count = 0
    for answers in answer_chunks:
        writing.add(answers)
        answer_parts.append(answers.select("key", "probability"))
        flagged_count += int(answers["prediction"].sum() or 0)
        missing_count += answers["missing"].count()
        progress.add(len(answers))
    counts = {
        "rows": sum(map(len, answer_parts)),
        "flagged": flagged_count,
        "missing": missing_count,
    }
    return counts, _digest(answer_parts)


def _task_values(platform: Platform, task: ScoreTask) -> dict[str, object]:
    """Return the columns of a run that the task decides."""
    return {
        "as_of": task.at,
        "known_at": task.known_at,
        "model": platform.catalog.model,
        "version": task.version.version,
        "run_id": task.version.run_id,
        "threshold": comparable_threshold(task.predictor.threshold),
        "explained": task.explain,
    }


def _digest(answer_parts: list[pl.DataFrame]) -> str:
    """Return the digest of all keys with their probabilities."""
    answers = pl.DataFrame(schema={"key": pl.String, "probability": pl.Float64})
    if answer_parts:
        answers = pl.concat(answer_parts)
    types = {"key": "string", "probability": "float"}
    return digest_frame(answers, key="key", types=types).value


def _feature_chunks(platform: Platform, task: ScoreTask, chunk_size: int) -> Iterator[pl.DataFrame]:
    """Read the keys of the population with their features, `chunk_size` keys at a time."""
    population = task.population
    return read_population(
        platform.address,
        task.views,
        key=platform.catalog.entity.key,
        population=(population.table, (task.at, population.revision)),
        as_of=task.at,
        chunk_size=chunk_size,
    )
