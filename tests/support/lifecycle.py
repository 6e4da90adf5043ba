"""Versions that change hands at random while one key is asked for, and who served each answer."""

from __future__ import annotations

import random

from mlflow import MlflowClient

from streamflow.errors import VersionMissing
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.serving.predict import predict
from streamflow.steps.stages.ledger import find_version_at
from streamflow.steps.stages.transitions import reconcile
from support.chain import NOW


def random_moves(
    platform: Platform, *, key: str, moves: int, seed: int, versions: int = 4
) -> list[str]:
    """Promote, roll back, or move the stage as MLflow's page does, `moves` times.

    Ask once or twice after each.

    What is returned are the answers of the log that the ledger puts down to another version.
    """
    draw = random.Random(seed)
    client = MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)
    row = platform.connection.execute(
        "SELECT coalesce(max(id), 0) FROM streamflow.prediction_log"
    ).fetchone()
    assert row is not None
    for _ in range(moves):
        act, version = (
            draw.choice(["promote", "promote", "rollback", "outside"]),
            draw.randint(1, versions),
        )
        if act == "promote":
            promote(platform, version, force=True, why="at random")
        elif act == "rollback":
            try:
                rollback(platform, why="at random")
            except VersionMissing:
                continue
        else:
            with ignore_stage_warnings():
                client.transition_model_version_stage(
                    "streamflow_churn", str(version), "Production", archive_existing_versions=True
                )
        for _ in range(draw.randint(1, 2)):
            predict(platform, key, now=NOW)
    reconcile(platform)
    logged = platform.connection.execute(
        "SELECT at, version FROM streamflow.prediction_log WHERE id > %s ORDER BY id", [row[0]]
    ).fetchall()
    assert len(logged) >= moves / 2
    return [
        f"{at}: {version}"
        for at, version in logged
        if find_version_at(platform, at).version != version
    ]
