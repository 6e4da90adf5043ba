"""A version that an earlier release trained: it is served by what its passport records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from conftest import Cluster
from support.chain import JANUARY, NOW
from support.states import JANUARY_SERVED, in_state

from streamflow.cli import receipts
from streamflow.database import connect
from streamflow.errors import ArtifactUntrusted, NotRebuildable
from streamflow.models.trial_process import TrialProcess
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.explain import explain
from streamflow.steps.serving.predict import predict
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.backup_content import mlflow_address
from streamflow.steps.versions.export import export
from streamflow.steps.versions.registered_version import load_answering
from streamflow.steps.versions.reproduce import reproduce

KEY, THRESHOLD = "7590-VHVEG", 0.123
# What a version of that time had none of.
NEWER_FILES = ("decision.json", "probe_requests.json", "background.json", "label_honesty.json")


@pytest.fixture(scope="module")
def old(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """An installation whose version in Production has a passport of schema 2."""
    home = tmp_path_factory.mktemp("old") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        make_old(platform)
        yield platform


def make_old(platform: Platform) -> None:
    """Make version 1 look as the release before the decision registered it."""
    (passport,) = platform.home.glob("artifacts/**/passport.json")
    values = json.loads(passport.read_text())
    result = values["result"]
    values["schema"] = 2
    values["result"] = {
        "model": result["model"],
        "metrics": {"auc": 0.8, "threshold": THRESHOLD},
        "predictions": result["predictions"],
    }
    content = json.dumps(values).encode()
    passport.write_bytes(content)
    for name in NEWER_FILES:
        for path in platform.home.glob(f"artifacts/**/{name}"):
            path.unlink()
    digest = sha256(content).hexdigest()
    register(platform, digest)
    with connect(mlflow_address(platform), autocommit=True) as connection:
        connection.execute(
            "DELETE FROM model_version_tags WHERE key IN ('decision_digest', 'background_digest')"
        )
        connection.execute(
            "UPDATE model_version_tags SET value = %s WHERE key = 'passport_digest'", [digest]
        )
        connection.execute(
            "UPDATE model_version_tags SET value = %s WHERE key = 'threshold'", [repr(THRESHOLD)]
        )


def register(platform: Platform, digest: str) -> None:
    """Write the digest of the passport into our database, past the triggers."""
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE streamflow.passport SET digest = %s", [digest])


def test_an_old_version_answers_by_its_recorded_threshold(old: Platform) -> None:
    answer = predict(old, KEY, now=NOW)
    assert (answer.version, answer.threshold) == (1, THRESHOLD)
    assert answer.prediction == int(answer.probability >= THRESHOLD)
    values = [tuple(answer.features.values())]
    with closing(TrialProcess()) as trial:
        predictor = load_answering(old, old.models.version(1), trial=trial).predictor
    assert predictor.probability_rows(values).tolist() == [answer.probability]
    # There was no calibrator: the answer is the one of the pipeline.
    assert predictor.decision.calibrator.raw == ()


def test_an_old_version_scores_a_drop_and_gives_reasons(old: Platform) -> None:
    receipt = score(old, JANUARY)
    assert (receipt.run.version, receipt.new) == (1, True)
    assert score(old, JANUARY).new is False
    reasons = explain(old, KEY, now=NOW)
    assert reasons.probability == predict(old, KEY, now=NOW).probability


REBUILDS: dict[str, Callable[[Platform], object]] = {
    "reproduce": lambda platform: reproduce(platform, "1"),
    "export": lambda platform: export(platform, "1", Path("1.version")),
}


@pytest.mark.parametrize("command", REBUILDS)
def test_what_cannot_be_done_with_it_is_said_with_a_remedy_that_helps(
    old: Platform, command: str
) -> None:
    with pytest.raises(NotRebuildable, match="has schema 2: it is served") as refused:
        REBUILDS[command](old)
    assert "streamflow train" in refused.value.remedy


def test_a_migration_says_so_beforehand(old: Platform) -> None:
    for receipt in (plan_migration(old), migrate(old)):
        (note,) = receipt.notes
        assert note.startswith("version 1 in Production: its passport has schema 2: it is served")
        assert f"  note: {note}" in receipts.migrate(receipt).splitlines()


def test_an_old_passport_that_was_changed_is_refused(old: Platform) -> None:
    """Neither the file nor the tag in MLflow decides, but the digest in our database."""
    (passport,) = old.home.glob("artifacts/**/passport.json")
    content = passport.read_bytes()
    try:
        passport.write_bytes(content.replace(str(THRESHOLD).encode(), b"0.001"))
        with pytest.raises(ArtifactUntrusted, match=r"its passport\.json was changed"):
            load_answering(old, old.models.version(1))
    finally:
        passport.write_bytes(content)


def test_the_remedy_helps(old: Platform) -> None:
    """A new version is trained, examined against the old one, and put into its place."""
    version = train(old, JANUARY).version
    examined = promote(old, version, why="the remedy", dry_run=True)
    assert examined.decision.startswith("would be ")
    assert promote(old, version, why="the remedy", force=True).decision == "promoted"
    assert predict(old, KEY, now=NOW).version == version
    assert plan_migration(old).notes == ()
    reproduce(old, str(version))
