"""Log a training to MLflow as a run, and register its model as a version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from streamflow.core.data.json_text import readable_json
from streamflow.core.versions.version_files import PASSPORT
from streamflow.models.mlflow_model import write_package
from streamflow.models.model_file import ModelDigests
from streamflow.models.model_selection import Candidate
from streamflow.models.model_upload import upload_model
from streamflow.models.run_logging import (
    describe_run,
    describe_version,
    get_time_ms,
    log_metrics,
    log_params,
)
from streamflow.models.run_record import (
    LoggedRun,
    RunFacts,
    RunRecord,
    dataset_input,
    version_tags,
    write_files,
)
from streamflow.models.run_tags import MODEL_TAG, PARENT_TAG, page_tags
from streamflow.models.system_metrics import log_system_metrics

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Called with run id, version and digest of the passport, once the version is registered.
Registered = Callable[[str, int, str], None]


def log_run(
    client: MlflowClient,
    record: RunRecord,
    *,
    experiment_id: str,
    name: str,
    on_registered: Registered,
) -> LoggedRun:
    """Log a training, register its version, and call `on_registered` as the last step.

    A failure or Ctrl-C, also within `on_registered`, marks the run FAILED or KILLED and leaves no
    version.
    """
    run_name = _name_run(record, name)
    tags = page_tags("train", describe_run(record.params))
    with (
        _open_run(client, experiment_id, run_name, name, tags) as run_id,
        TemporaryDirectory() as scratch,
    ):
        package = Path(scratch, "model")
        files = Path(scratch, "files")
        digests, passport_digest = _write_contents(record, package, files)
        facts = _collect_facts(record, run_name, version_tags(record, digests, passport_digest))
        log_system_metrics(client, run_id, record.system_samples)
        for candidate in record.candidates:
            _log_candidate(client, candidate, experiment_id=experiment_id, parent=run_id, name=name)
        version = _register(
            client,
            facts,
            package,
            files,
            experiment_id=experiment_id,
            run_id=run_id,
            name=name,
            description=describe_version(facts),
        )
        on_registered(run_id, version, passport_digest)
    return LoggedRun(
        run_id=run_id,
        version=version,
        digests=digests,
        passport_digest=passport_digest,
    )


def _write_contents(record: RunRecord, package: Path, files: Path) -> tuple[ModelDigests, str]:
    """Write the MLflow model, and the files beside it, to two new folders.

    Returns:
        The digests of the model, and that of the passport.
    """
    digests = write_package(
        record.pipeline,
        package,
        record.features,
        decision=record.decision,
        background=record.background,
    )
    passport = readable_json(record.passport(digests), indent=2)
    write_files(files, record, passport)
    return digests, sha256(passport).hexdigest()


def _name_run(record: RunRecord, name: str) -> str:
    """Return the name of a run of the model `name`."""
    return f"{name} as of {record.as_of:%Y-%m-%d}"


def _collect_facts(record: RunRecord, run_name: str, tags: Mapping[str, str]) -> RunFacts:
    """Return the facts of a training."""
    return RunFacts(
        name=run_name,
        params=record.params,
        metrics=record.all_metrics,
        dataset=dataset_input(record).to_dictionary(),
        tags=tags,
    )


def log_copied_run(
    client: MlflowClient,
    facts: RunFacts,
    package: Path,
    files: Path,
    *,
    experiment_id: str,
    name: str,
    registered: Registered,
) -> tuple[str, int]:
    """Log and register a run of a different installation as a run and a version of this one.

    Args:
        client: the connection to MLflow.
        facts: the facts of the original run.
        package: the folder of its MLflow model.
        files: the folder of the files beside the model.
        experiment_id: the experiment of the new run.
        name: the name of the registered model.
        registered: called as the last step.

    Returns:
        The run id and the number of the version.
    """
    # The facts come from a different installation, and may lack what a description is made of.
    description = "A version of a different installation; its run there is the tag imported_from."
    tags = page_tags("import", description)
    with _open_run(client, experiment_id, facts.name, name, tags) as run_id:
        version = _register(
            client,
            facts,
            package,
            files,
            experiment_id=experiment_id,
            run_id=run_id,
            name=name,
            description=description,
        )
        registered(run_id, version, facts.tags[PASSPORT.tag])
    return run_id, version


def _register(
    client: MlflowClient,
    facts: RunFacts,
    package: Path,
    files: Path,
    *,
    experiment_id: str,
    run_id: str,
    name: str,
    description: str,
) -> int:
    """Log facts, files and model, then register the version, and return its number."""
    log_params(client, run_id, facts)
    client.log_artifacts(run_id, str(files))
    model_id = upload_model(
        client,
        package,
        experiment_id=experiment_id,
        run_id=run_id,
        params=facts.params,
        name=name,
    )
    log_metrics(client, run_id, model_id, facts)
    client.set_terminated(run_id, "FINISHED")
    version = client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id,
        tags=dict(facts.tags),
        description=description,
        model_id=model_id,
        await_creation_for=0,
    )
    # MLflow's page of the logged model shows this link to the version.
    link = json.dumps([{"name": name, "version": int(version.version)}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
    return int(version.version)


def _log_candidate(
    client: MlflowClient,
    candidate: Candidate,
    *,
    experiment_id: str,
    parent: str,
    name: str,
) -> None:
    """Log a cross-validated kind of model as a child run.

    The AUCs of the repeats are the steps of one metric, and so are the Brier scores, which decide.
    The mean of each is a metric too.
    """
    from mlflow.entities import Metric, Param

    run_id = client.create_run(
        experiment_id,
        run_name=f"candidate {candidate.kind}",
        tags={MODEL_TAG: name, PARENT_TAG: parent},
    ).info.run_id
    logged_ms = get_time_ms()
    metrics = [
        Metric("cross_validated_auc", auc, logged_ms, step)
        for step, auc in enumerate(candidate.aucs)
    ]
    metrics += [
        Metric("cross_validated_brier", brier, logged_ms, step)
        for step, brier in enumerate(candidate.briers)
    ]
    metrics.append(Metric("mean_auc", candidate.auc, logged_ms, 0))
    metrics.append(Metric("mean_brier", candidate.brier, logged_ms, 0))
    with _marking_failure(client, run_id):
        client.log_batch(run_id, metrics, [Param("model", candidate.kind)])
        client.set_terminated(run_id, "FINISHED")


@contextmanager
def _open_run(
    client: MlflowClient,
    experiment_id: str,
    run_name: str,
    name: str,
    tags: Mapping[str, str],
) -> Iterator[str]:
    """Create a run of the model `name` with these tags, and yield its id.

    If the `with` block fails, delete the run's versions and mark the run FAILED or KILLED.
    """
    run_id: str = client.create_run(
        experiment_id,
        run_name=run_name,
        tags={MODEL_TAG: name, **tags},
    ).info.run_id
    with _marking_failure(client, run_id):
        try:
            yield run_id
        except BaseException:
            for version in client.search_model_versions(f"run_id = '{run_id}'"):
                client.delete_model_version(version.name, version.version)
            raise


@contextmanager
def _marking_failure(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Mark a run FAILED or KILLED if the block fails. `prune` does not touch a run in progress."""
    try:
        yield
    except BaseException as exc:
        client.set_terminated(run_id, "FAILED" if isinstance(exc, Exception) else "KILLED")
        raise
