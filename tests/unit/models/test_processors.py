"""How many processors a computation may use: all here, and one in a task of the engine."""

from __future__ import annotations

import os
from threading import Thread
from typing import Any

import polars as pl

from streamflow.models.processors import count_processors, use_one_processor
from streamflow.steps.serving.engine_answers import ScoreWork


class _CountingRule:
    """Answers with the number of processors."""

    def answer(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(
            prediction=pl.lit(count_processors()),
            features_as_of=pl.lit(0).cast(pl.Datetime("us", "UTC")),
        )


def test_one_processor_is_for_this_thread_and_until_the_end() -> None:
    everything = len(os.sched_getaffinity(0))
    seen = []
    with use_one_processor():
        assert count_processors() == 1
        thread = Thread(target=lambda: seen.append(count_processors()))
        thread.start()
        thread.join()
    assert seen == [everything]
    assert count_processors() == everything


def test_a_task_of_the_engine_predicts_with_one_processor() -> None:
    rule: Any = _CountingRule()
    work = ScoreWork(rule=rule, names={"k": "key"}, instants=())
    assert work(pl.DataFrame({"k": ["u1"]}))["prediction"].to_list() == [1]
