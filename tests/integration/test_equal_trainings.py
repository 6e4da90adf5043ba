"""Two trainings on the same rows at the same time: MLflow stores their training set once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
from mlflow.tracking import MlflowClient
from support.processes import wait_for

from streamflow.models.run_logging import log_training_set
from streamflow.platform import Platform

FACTS = {
    "name": "rows as of 2024-01-31",
    "digest": "406c0b87",
    "source_type": "code",
    "source": "{}",
    "schema": "{}",
    "profile": "{}",
}
INSERT = """
INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type,
    dataset_source, dataset_schema, dataset_profile)
VALUES ('of the first', %(experiment)s, %(name)s, %(digest)s, %(source_type)s,
    %(source)s, %(schema)s, %(profile)s)
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


def test_a_training_set_that_two_runs_store_at_once_is_an_input_of_both(
    platform: Platform,
) -> None:
    client = MlflowClient(platform.tracking_uri)
    experiment = client.create_experiment("at once")
    run_id = client.create_run(experiment).info.run_id
    address = platform.login.with_database(platform.settings.mlflow_database)
    with (
        psycopg.connect(address.conninfo()) as first,
        psycopg.connect(address.conninfo(), autocommit=True) as watcher,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        first.execute(INSERT, {**FACTS, "experiment": int(experiment)})
        second = pool.submit(log_training_set, client, run_id, {"dataset": FACTS, "tags": {}})
        is_waiting = wait_for(
            lambda: watcher.execute(WAITING, [address.database]).fetchone() == (1,)
        )
        first.commit()
        second.result()
    assert is_waiting, "the second run did not meet the first"
    (training_set,) = client.get_run(run_id).inputs.dataset_inputs
    assert training_set.dataset.digest == FACTS["digest"]
