"""Only what was registered is served: MLflow alone decides nothing that a version answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster
from support.chain import JANUARY, NOW
from support.states import JANUARY_SERVED, in_state

from streamflow.core.training.stored_requests import FILE as STORED_REQUESTS
from streamflow.errors import ArtifactUntrusted, NotRebuildable
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.monitoring.skew import skew
from streamflow.steps.promotion.gate import examine
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.predict import predict
from streamflow.steps.serving.score import score
from streamflow.steps.serving.serving_version import load_serving
from streamflow.steps.upkeep.doctor.finding import run_check
from streamflow.steps.upkeep.doctor.vendors import check_production
from streamflow.steps.versions.export import export
from streamflow.steps.versions.reproduce import reproduce

MODEL = "streamflow_churn"
USER = "7590-VHVEG"


@pytest.fixture(scope="module")
def served(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January is live, and version 1 is in Production; every test leaves it as it was."""
    home = tmp_path_factory.mktemp("registered") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        predict(platform, USER, now=NOW)
        yield platform


def stored_file(platform: Platform, name: str) -> Path:
    """The file of version 1 in the store of artifacts."""
    run_id = platform.models.version(1).run_id
    paths = platform.home.joinpath("artifacts").rglob(name)
    return next(path for path in paths if run_id in path.parts or name == "model.skops")


def lower_threshold(content: bytes) -> bytes:
    """A decision that says 1 for everybody."""
    return json.dumps({**json.loads(content), "threshold": 0.0001}).encode()


@contextmanager
def planted(
    platform: Platform, name: str, tag: str | None, change: Callable[[bytes], bytes]
) -> Iterator[None]:
    """Version 1 has a changed file, and a tag in MLflow that agrees with it."""
    client: Any = platform.models._client
    path = stored_file(platform, name)
    before = path.read_bytes()
    path.write_bytes(change(before))
    if tag:
        client.set_model_version_tag(MODEL, "1", tag, sha256(path.read_bytes()).hexdigest())
    try:
        yield
    finally:
        path.write_bytes(before)
        if tag:
            client.set_model_version_tag(MODEL, "1", tag, sha256(before).hexdigest())


@contextmanager
def tagged(platform: Platform, tag: str, value: str) -> Iterator[None]:
    """Version 1 has a changed tag."""
    client: Any = platform.models._client
    before = platform.models.version(1).tags[tag]
    client.set_model_version_tag(MODEL, "1", tag, value)
    try:
        yield
    finally:
        client.set_model_version_tag(MODEL, "1", tag, before)


@contextmanager
def moved_in_mlflow(platform: Platform, version: int) -> Iterator[None]:
    """Somebody puts a version into Production in MLflow, and back again at the end."""
    client: Any = platform.models._client
    with ignore_stage_warnings():
        client.transition_model_version_stage(MODEL, "1", "Archived")
        client.transition_model_version_stage(MODEL, str(version), "Production")
    try:
        yield
    finally:
        client.delete_model_version(MODEL, str(version))
        with ignore_stage_warnings():
            client.transition_model_version_stage(MODEL, "1", "Production")


def problem(platform: Platform) -> str:
    """What `doctor` finds wrong with the version in Production."""
    finding = run_check("Production", partial(check_production, platform))
    return finding.text if finding.is_wrong else ""


def uses(platform: Platform, folder: Path) -> dict[str, Callable[[], object]]:
    """Everything that loads version 1."""
    return {
        "predict": lambda: predict(platform, USER, now=NOW),
        "score": lambda: score(platform, JANUARY, version=1),
        "explain": lambda: score(platform, JANUARY, version=1, explain=True),
        "monitor": lambda: monitor(platform, JANUARY),
        "skew": lambda: skew(platform),
        "gate": lambda: examine(platform, platform.models.version(1), None),
        "export": lambda: export(platform, "1", folder / "one.version"),
    }


def refused(actions: Mapping[str, Callable[[], object]]) -> set[str]:
    """The actions that end because the version is not as it was registered."""
    refusals = set()
    for name, action in actions.items():
        try:
            action()
        except (ArtifactUntrusted, NotRebuildable):
            refusals.add(name)
    return refusals


def test_a_decision_changed_together_with_its_tag_is_used_by_nobody(
    served: Platform, tmp_path: Path
) -> None:
    actions = uses(served, tmp_path)
    with planted(served, "decision.json", "decision_digest", lower_threshold):
        assert refused(actions) == actions.keys()
        assert "the tag decision_digest of version 1 was changed" in problem(served)
        assert "the file decision.json of version 1 is lost or was changed" in problem(served)
    assert not list(tmp_path.iterdir())
    assert problem(served) == ""
    assert predict(served, USER, now=NOW).version == 1


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("model.skops", "model_digest"),
        ("background.json", "background_digest"),
        ("passport.json", "passport_digest"),
        ("passport.json", None),
        (STORED_REQUESTS, None),
    ],
)
def test_no_file_of_a_version_can_be_changed_in_mlflow_alone(
    served: Platform, name: str, tag: str | None
) -> None:
    with planted(served, name, tag, lambda content: content + b"\n"):
        with pytest.raises(ArtifactUntrusted):
            load_serving(served)
        assert "version 1" in problem(served)


@pytest.mark.parametrize("tag", ["feature_service", "threshold", "as_of", "content_digest"])
def test_a_changed_tag_is_named_and_not_served(served: Platform, tag: str) -> None:
    with (
        tagged(served, tag, "planted"),
        pytest.raises(ArtifactUntrusted, match=f"the tag {tag} of version 1 was changed"),
    ):
        load_serving(served)
    with tagged(served, tag, "planted"):
        assert f"the tag {tag} of version 1 was changed" in problem(served)


def register_in_mlflow(platform: Platform, run_id: str | None) -> int:
    """Register a version with MLflow alone: the files and tags of version 1, but its decision."""
    client: Any = platform.models._client
    genuine = client.get_model_version(MODEL, "1")
    tags = dict(genuine.tags)
    if run_id is None:
        experiment = client.get_run(genuine.run_id).info.experiment_id
        run_id = client.create_run(experiment).info.run_id
        folder = stored_file(platform, "decision.json").parent
        client.log_artifacts(run_id, str(folder))
        content = lower_threshold((folder / "decision.json").read_bytes())
        client.log_text(run_id, content.decode(), "decision.json")
        tags |= {"decision_digest": sha256(content).hexdigest(), "threshold": "0.0001"}
    source = client.get_model_version_download_uri(MODEL, "1")
    version = client.create_model_version(MODEL, source, run_id, tags=tags)
    return int(version.version)


@pytest.mark.parametrize("has_run_of_version_1", [False, True])
def test_a_version_that_only_mlflow_registered_is_used_by_nobody(
    served: Platform, tmp_path: Path, has_run_of_version_1: bool
) -> None:
    run_id = served.models.version(1).run_id if has_run_of_version_1 else None
    version = register_in_mlflow(served, run_id)
    untrusted = "this database has no passport of"
    with pytest.raises(NotRebuildable, match=untrusted):
        promote(served, version, force=True, why="it is planted")
    with moved_in_mlflow(served, version):
        for use in (
            lambda: predict(served, USER, now=NOW),
            lambda: score(served, JANUARY),
            lambda: monitor(served, JANUARY),
            lambda: export(served, str(version), tmp_path / "one.version"),
            lambda: reproduce(served, str(version)),
        ):
            with pytest.raises((ArtifactUntrusted, NotRebuildable), match=untrusted):
                use()
        assert untrusted in problem(served)
    assert predict(served, USER, now=NOW).version == 1
