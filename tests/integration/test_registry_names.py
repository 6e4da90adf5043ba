"""What a person can do to names in MLflow's page: it is named, nothing takes the place, undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Cluster
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store
from support.states import JANUARY_SERVED, in_state

from streamflow.errors import ModelRenamed
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.predict import load_serving
from streamflow.steps.stages.ledger import read_ledger
from streamflow.steps.stages.transitions import production_status, reconcile, version_in_stage
from streamflow.steps.upkeep.doctor import doctor, repair
from streamflow.steps.upkeep.doctor.finding import Finding

NAME, PRESENT_NAME = "streamflow_churn", "churn of 2024"


@pytest.fixture
def served(cluster: Cluster, simulated_drops: Path, tmp_path: Path) -> Iterator[Platform]:
    with in_state(cluster, JANUARY_SERVED, simulated_drops, tmp_path / "home") as platform:
        yield platform


def stock_client(platform: Platform) -> MlflowClient:
    return MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)


def registry_finding(platform: Platform) -> Finding:
    found = doctor(platform.settings, now=lambda: datetime.now(UTC))
    return next(finding for finding in found if finding.subject == "model registry")


USES: dict[str, Callable[[Platform], object]] = {
    "stage": version_in_stage,
    "status": production_status,
    "reconcile": reconcile,
    "load": load_serving,
    "promote": lambda platform: promote(platform, 1),
    "versions": lambda platform: platform.models.versions(),
    "head": lambda platform: platform.models.set_ledger_head("1 x"),
}


def test_no_command_puts_an_empty_model_in_the_place_of_a_renamed_one(served: Platform) -> None:
    before = read_ledger(served)
    client = stock_client(served)
    client.rename_registered_model(NAME, PRESENT_NAME)
    for use in USES.values():
        with pytest.raises(ModelRenamed) as refused:
            use(served)
        assert refused.value.facts == {"name": NAME, "present_name": PRESENT_NAME}
    assert [model.name for model in client.search_registered_models()] == [PRESENT_NAME]
    assert read_ledger(served) == before, "the ledger does not say that nobody is in Production"
    (note,) = migrate(served).notes
    assert note.startswith(f"the versions cannot be checked: the registered model '{NAME}' was")


@pytest.mark.parametrize("is_blocked", [False, True], ids=["free", "blocked by an empty model"])
def test_doctor_names_a_renamed_model_and_renames_it_back(
    served: Platform, is_blocked: bool
) -> None:
    client = stock_client(served)
    client.rename_registered_model(NAME, PRESENT_NAME)
    if is_blocked:
        client.create_registered_model(NAME)
    finding = registry_finding(served)
    assert finding.is_wrong
    assert f"'{NAME}' was renamed to '{PRESENT_NAME}'" in finding.text
    assert repair(served.settings, [finding]) == [
        f"renamed the registered model '{PRESENT_NAME}' back to '{NAME}'"
    ]
    assert not registry_finding(served).is_wrong
    assert production_status(served).version == 1
    assert load_serving(served).version == 1


def test_doctor_names_a_deleted_experiment_and_restores_it(served: Platform) -> None:
    client = stock_client(served)
    experiment = client.get_experiment_by_name(served.settings.experiment)
    client.delete_experiment(experiment.experiment_id)
    finding = registry_finding(served)
    assert (finding.is_wrong, finding.text) == (True, "the experiment 'streamflow' was deleted")
    assert repair(served.settings, [finding]) == ["restored the experiment in MLflow"]
    assert not registry_finding(served).is_wrong
    assert served.models.version(1).run_id


def test_doctor_names_a_deleted_run_of_a_version_and_restores_it(served: Platform) -> None:
    client = stock_client(served)
    run_id = served.models.version(1).run_id
    client.delete_run(run_id)
    finding = registry_finding(served)
    assert (finding.is_wrong, finding.text) == (True, "1 run of versions deleted")
    assert repair(served.settings, [finding]) == ["restored 1 run in MLflow"]
    assert client.get_run(run_id).info.lifecycle_stage == "active"
    assert not registry_finding(served).is_wrong


def test_a_copy_under_a_different_name_is_not_a_renamed_model(served: Platform) -> None:
    client = stock_client(served)
    client.copy_model_version(f"models:/{NAME}/1", "a copy")
    client.delete_model_version(NAME, "1")
    assert not registry_finding(served).is_wrong
    assert served.models.versions() == []


def test_a_renamed_version_whose_run_is_gone_belongs_to_nobody(served: Platform) -> None:
    """`mlflow gc` removes the rows of deleted runs: then nothing says whose a version was."""
    client = stock_client(served)
    run_id = served.models.version(1).run_id
    client.rename_registered_model(NAME, PRESENT_NAME)
    client.delete_run(run_id)
    _get_store(served.tracking_uri)._hard_delete_run(run_id)
    assert not registry_finding(served).is_wrong
    assert served.models.versions() == []
