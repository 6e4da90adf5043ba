"""score: predict for every key of a drop from the frozen rows, into a table and a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.digest import digest_frame
from streamflow.core.serving.frame_completeness import complete_frame
from streamflow.core.statistics.threshold import comparable_threshold
from streamflow.core.training.flagging import list_flagging_remarks
from streamflow.core.training.training_set import describe_revision
from streamflow.features.drop_features import KEYS_PER_CHUNK, as_of_column, read_population
from streamflow.files import frames
from streamflow.platform import Platform
from streamflow.progress import Progress
from streamflow.receipt import Receipt
from streamflow.steps.data.frozen_checks import held_against_digests, require_unchanged
from streamflow.steps.observed import observed
from streamflow.steps.serving.explain import top_reasons_json
from streamflow.steps.serving.score_file import write_scores
from streamflow.steps.serving.score_summary import summarize
from streamflow.steps.serving.score_task import ScoreTask, plan_scoring
from streamflow.warehouse import scores
from streamflow.warehouse.frozen import Revision
from streamflow.warehouse.scores import ScoreRun

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
        batch_size: keys at a time. It limits the memory, and changes no answer.

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
    with scores.write_run(platform.connection, platform.address) as writing:
        with held_against_digests(platform, task.revisions, state=NOTHING_WRITTEN):
            counts, digest = _write_answers(platform, task, writing, chunk_size)
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


def _write_answers(
    platform: Platform,
    task: ScoreTask,
    writing: scores.ScoreWriter,
    chunk_size: int,
) -> tuple[dict[str, int], str]:
    """Score part by part; the next part is read while one is scored.

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
    for rows in _read_ahead(_feature_chunks(platform, task, chunk_size)):
        answers = _answers(platform, task, rows)
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


def _read_ahead(chunks: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the chunks; a thread reads each chunk while the caller works on the one before it."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(next, chunks, None)
        while (rows := pending.result()) is not None:
            pending = pool.submit(next, chunks, None)
            yield rows


def _answers(platform: Platform, task: ScoreTask, rows: pl.DataFrame) -> pl.DataFrame:
    """Predict for each row that can be completed.

    Returns:
        One row per row: key, features_as_of, probability, prediction, missing, defaulted, reasons.
        Probability, prediction and reasons are null where a row cannot be completed.
    """
    as_of_columns = {view.name: as_of_column(view.name) for view in task.views}
    completed = complete_frame(task.policy, rows, as_of_columns, task.at)
    facts = completed.facts
    is_answered = facts["reason"].is_null()
    complete_rows = completed.values.filter(is_answered)
    answers = task.predictor.probability(complete_rows)
    values = np.full(len(rows), np.nan)
    values[is_answered.to_numpy()] = answers
    probabilities = pl.Series("probability", values).fill_nan(None)
    threshold = comparable_threshold(task.predictor.threshold)
    is_flagged = probabilities >= threshold
    refused_features = facts.select(pl.concat_list("missing_features", "stale_features"))
    key = platform.catalog.entity.key
    return pl.DataFrame(
        {
            "key": rows[key].cast(pl.String),
            "features_as_of": facts["as_of"],
            "probability": probabilities,
            "prediction": is_flagged.cast(pl.Int16),
            "missing": _join_names(refused_features.to_series()),
            "defaulted": _join_names(facts["defaulted"]),
            "reasons": _reasons(platform, task, complete_rows, answers, is_answered),
        }
    )


def _reasons(
    platform: Platform,
    task: ScoreTask,
    complete_rows: pl.DataFrame,
    probability: NDArray[np.float64],
    is_answered: pl.Series,
) -> pl.Series:
    """Return the reasons of each row as JSON; null where a row has no answer, or none is asked.

    Args:
        complete_rows: The rows that are answered.
        probability: The answer for each of them, (n,).
        is_answered: Whether a row is answered, for all rows.
    """
    if not task.explain:
        return pl.Series("reasons", [None] * len(is_answered), dtype=pl.String)
    texts = iter(top_reasons_json(platform.catalog, task.predictor, complete_rows, probability))
    reasons = [next(texts) if answered else None for answered in is_answered]
    return pl.Series("reasons", reasons, dtype=pl.String)


def _join_names(names: pl.Series) -> pl.Series:
    """Join each list of names into one text; null for an empty list."""
    return names.list.join(", ").replace("", None)
