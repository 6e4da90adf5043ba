"""The file of a score run: every key of the drop with its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from streamflow.files import frames
from streamflow.platform import Platform
from streamflow.steps.serving.score_task import ScoreTask
from streamflow.warehouse import scores
from streamflow.warehouse.scores import ScoreRun


def write_scores(platform: Platform, task: ScoreTask, run: ScoreRun, out: Path) -> None:
    """Write the answers of a run into the file `out`; its ending says in which form."""
    platform.notify(f"writing {out}")
    frames.write_chunks(_file_rows(platform, task, run), out, facts=_file_metadata(task, run))


def _file_rows(platform: Platform, task: ScoreTask, run: ScoreRun) -> Iterator[pl.DataFrame]:
    """Yield the rows of the file: the answer for each key, with the columns of its run."""
    key = platform.catalog.entity.key
    run_values = {
        "as_of": run.as_of.date(),
        "model": run.model,
        "version": run.version,
        "revision": task.population.revision,
        "score_run": run.id,
    }
    run_columns: dict[str, Any] = {name: pl.lit(value) for name, value in run_values.items()}
    run_columns["threshold"] = pl.lit(run.threshold, pl.Float64)
    for rows in scores.read_scores(platform.address, run):
        yield rows.rename({"key": key}).with_columns(**run_columns)


def _file_metadata(task: ScoreTask, run: ScoreRun) -> dict[str, str]:
    """Return the metadata of a Parquet file: the evidence of the run and its digest."""
    values = {**task.evidence, "known_at": run.known_at.isoformat(), "digest": run.digest}
    return {"streamflow.score": json.dumps(values)}
