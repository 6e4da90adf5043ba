"""The files of a version: each is listed once, and each one that decides an answer is protected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import psycopg
import pytest
from conftest import Cluster
from support.chain import JANUARY, load

from streamflow.core.training.background import parse_background
from streamflow.core.versions.version_files import (
    BACKGROUND,
    DEFAULT_COSTS,
    PASSPORT,
    STORED_REQUESTS,
    VERSION_FILES,
)
from streamflow.errors import ArtifactUntrusted, BackupDamaged
from streamflow.models.system_metrics import SystemSamples
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.gate import examine
from streamflow.steps.serving.serving_version import load_serving_version
from streamflow.steps.training.certify import certify
from streamflow.steps.training.fit import fit
from streamflow.steps.training.honesty import check_label_honesty
from streamflow.steps.training.train import register, train
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.export import export
from streamflow.steps.versions.import_version import import_version
from streamflow.steps.versions.rebuild_verdict import IDENTICAL
from streamflow.steps.versions.reproduce import reproduce

OLD_METRIC_NAMES = {
    "holdout_rows": "rows",
    "true_positives": "found",
    "predicted_positives": "flagged",
}


@pytest.fixture(scope="module")
def trained(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """January is loaded and trained as version 1; the tests leave that version as they found it."""
    name = f"sf_files_{uuid4().hex[:12]}"
    cluster.clone(name)
    home = tmp_path_factory.mktemp("files") / "home"
    settings = cluster.settings(name, home, trees=10, train_figures=True)
    with open_platform(settings) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        train(platform, JANUARY)
        yield platform
    cluster.drop(name)


def path_of(platform: Platform, version: int, name: str) -> Path:
    run_id = platform.models.version(version).run_id
    paths = platform.home.joinpath("artifacts").rglob(name)
    return next(path for path in paths if run_id in path.parts)


def set_tag(platform: Platform, version: int, tag: str, value: str) -> None:
    platform.models._client.set_model_version_tag("streamflow_churn", str(version), tag, value)


def thousandfold(content: bytes) -> bytes:
    """The background with all its means multiplied by 1,000."""
    background = parse_background(content)
    features = {
        name: replace(summary, mean=None if summary.mean is None else summary.mean * 1_000)
        for name, summary in background.features.items()
    }
    return replace(background, features=features).content


@contextmanager
def planted_background(platform: Platform) -> Iterator[None]:
    """Version 1 has a wrong background, and a tag in MLflow that agrees with it."""
    path = path_of(platform, 1, BACKGROUND.name)
    before = path.read_bytes()
    planted = thousandfold(before)
    assert planted != before
    path.write_bytes(planted)
    set_tag(platform, 1, BACKGROUND.tag, sha256(planted).hexdigest())
    try:
        yield
    finally:
        path.write_bytes(before)
        set_tag(platform, 1, BACKGROUND.tag, sha256(before).hexdigest())


def test_every_stored_file_is_listed(trained: Platform, tmp_path: Path) -> None:
    package, files = trained.models.fetch_files(trained.models.version(1), tmp_path)
    listed = {file.name for file in VERSION_FILES if not file.in_package} - {DEFAULT_COSTS.name}
    assert {path.name for path in files.iterdir()} == listed
    in_package = {file.name for file in VERSION_FILES if file.in_package}
    assert {path.name for path in package.iterdir()} == in_package


def test_a_background_changed_with_its_tag_is_named_by_reproduce(trained: Platform) -> None:
    with planted_background(trained):
        receipt = reproduce(trained, "1")
    assert (receipt.result, receipt.holds) == (IDENTICAL, False)
    tag, file = receipt.tampered
    assert "the tag background_digest of version 1 was changed" in tag
    assert file == "the file background.json of version 1 is lost or was changed"
    receipt = reproduce(trained, "1")
    assert (receipt.result, receipt.tampered, receipt.notes) == (IDENTICAL, (), ())


def test_a_background_changed_with_its_tag_is_not_served(trained: Platform) -> None:
    version = trained.models.version(1)
    assert load_serving_version(trained, version).predictor.background is not None
    with (
        planted_background(trained),
        pytest.raises(ArtifactUntrusted, match="tag background_digest of version 1 was changed"),
    ):
        load_serving_version(trained, trained.models.version(1))


def test_a_background_changed_with_its_tag_is_not_exported(
    trained: Platform, tmp_path: Path
) -> None:
    with (
        planted_background(trained),
        pytest.raises(ArtifactUntrusted, match=r"the file background\.json of version 1"),
    ):
        export(trained, "1", tmp_path / "one.version")
    assert not list(tmp_path.iterdir())


def rewrite(file: Path, to: Path, changes: dict[str, Callable[[bytes], bytes]]) -> Path:
    """Copy an export with some members changed, and a manifest that agrees with them."""
    with ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(members.pop("export.json"))
    for name, change in changes.items():
        members[name] = change(members[name])
        digest = sha256(members[name]).hexdigest()
        manifest["members"][name] = {"sha256": digest, "bytes": len(members[name])}
    with ZipFile(to, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
        new.writestr("export.json", json.dumps(manifest))
    return to


def test_a_background_changed_with_its_tag_is_not_imported(
    trained: Platform, platform: Platform, tmp_path: Path
) -> None:
    original = tmp_path / "one.version"
    export(trained, "1", original)
    content = path_of(trained, 1, BACKGROUND.name).read_bytes()
    digest = sha256(thousandfold(content)).hexdigest()

    def retag(run: bytes) -> bytes:
        facts = json.loads(run)
        facts["tags"][BACKGROUND.tag] = digest
        return json.dumps(facts).encode()

    changes = {f"files/{BACKGROUND.name}": thousandfold, "run.json": retag}
    planted = rewrite(original, tmp_path / "planted.version", changes)
    with pytest.raises(BackupDamaged, match=r"files/background\.json"):
        import_version(platform, planted)
    only_tag = rewrite(original, tmp_path / "tag.version", {"run.json": retag})
    with pytest.raises(BackupDamaged, match="the tag background_digest does not agree"):
        import_version(platform, only_tag)
    unchanged = rewrite(original, tmp_path / "same.version", {})
    receipt = import_version(platform, unchanged)
    assert (receipt.version, receipt.notes) == (1, ())


def to_schema_3(content: bytes) -> bytes:
    """The passport as it was written before schema 4."""
    values: dict[str, Any] = json.loads(content)
    values["schema"] = 3
    result = values["result"]
    del result["background"], result["model"]["package"]
    result["metrics"] = {
        OLD_METRIC_NAMES.get(name, name): value
        for name, value in result["metrics"].items()
        if name not in ("precision", "recall")
    }
    return json.dumps(values, indent=2, sort_keys=True).encode()


@contextmanager
def passport_of_schema_3(platform: Platform, version: int) -> Iterator[None]:
    """A version whose registered passport is one of schema 3."""
    path = path_of(platform, version, PASSPORT.name)
    before = path.read_bytes()
    run_id = platform.models.version(version).run_id

    def write(content: bytes) -> None:
        path.write_bytes(content)
        digest = sha256(content).hexdigest()
        set_tag(platform, version, PASSPORT.tag, digest)
        with psycopg.connect(platform.login.conninfo(), autocommit=True) as owner:
            owner.execute("ALTER TABLE streamflow.passport DISABLE TRIGGER frozen")
            owner.execute(
                "UPDATE streamflow.passport SET digest = %s WHERE run_id = %s", [digest, run_id]
            )
            owner.execute("ALTER TABLE streamflow.passport ENABLE TRIGGER frozen")

    write(to_schema_3(before))
    try:
        yield
    finally:
        write(before)


def test_a_version_with_a_passport_of_schema_3_is_reproduced_served_and_moved(
    trained: Platform, platform: Platform, tmp_path: Path
) -> None:
    with passport_of_schema_3(trained, 1):
        receipt = reproduce(trained, "1")
        serving = load_serving_version(trained, trained.models.version(1))
        export(trained, "1", tmp_path / "one.version")
        with planted_background(trained):
            unaware = reproduce(trained, "1")
    notes = (
        "background.json was not checked: a passport of schema 3 has no digest of it",
        "of MLflow's model only model.skops was checked: a passport of schema 3 has no digest of"
        " its other files",
    )
    assert (receipt.result, receipt.differences, receipt.tampered) == (IDENTICAL, (), ())
    assert (receipt.notes, unaware.tampered, unaware.notes) == (notes, (), notes)
    assert serving.predictor.background is not None
    assert import_version(platform, tmp_path / "one.version").notes == notes


@pytest.mark.parametrize(("apart", "accepted"), [(0.0, True), (1e-13, False)])
def test_the_gate_and_the_loading_for_serving_have_the_same_bound(
    trained: Platform, apart: float, accepted: bool
) -> None:
    """A forest whose stored answers are a little apart from its answers now."""
    rows = training_set(trained, JANUARY)
    fitted = fit(trained, rows)
    probabilities = tuple(value + apart for value in fitted.probes.probabilities)
    logged = register(
        trained,
        rows,
        replace(fitted, probes=replace(fitted.probes, probabilities=probabilities)),
        certify(trained, rows),
        check_label_honesty(trained, rows),
        SystemSamples(),
    )
    version = trained.models.version(logged.version)
    gates = {gate.name: gate for gate in examine(trained, version, None).gates}
    assert gates["passport"].passed
    assert gates["probes"].passed is accepted
    if accepted:
        assert load_serving_version(trained, version).version == logged.version
        return
    assert "from the answers that were stored at training" in gates["probes"].evidence
    with pytest.raises(ArtifactUntrusted, match="from the answers that were stored at training"):
        load_serving_version(trained, version)


def test_changed_stored_requests_are_refused_by_the_gate_and_by_serving(trained: Platform) -> None:
    version = trained.models.version(1)
    path = path_of(trained, 1, STORED_REQUESTS.name)
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    try:
        gates = {gate.name: gate for gate in examine(trained, version, None).gates}
        assert not gates["probes"].passed
        with pytest.raises(ArtifactUntrusted, match=r"probe_requests\.json is not the registered"):
            load_serving_version(trained, version)
    finally:
        path.write_bytes(before)
