"""What a stock MLflow client gets of a registered version, and what guards the files it uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import polars as pl
import pytest
from conftest import Cluster
from support.chain import JANUARY
from support.states import JANUARY_SERVED, in_state
from support.stock_mlflow import mlflow_at

from streamflow.core.training import calibrator
from streamflow.errors import ArtifactUntrusted
from streamflow.models import portable
from streamflow.platform import Platform
from streamflow.steps.promotion.gate import examine
from streamflow.steps.serving.score import score
from streamflow.steps.serving.serving_version import load_serving_version
from streamflow.steps.training.training_set import training_set
from streamflow.steps.versions.export import export
from streamflow.steps.versions.recorded_artifacts import describe_changed_artifacts
from streamflow.steps.versions.recorded_version import find_recorded_version
from streamflow.warehouse import scores


@pytest.fixture(scope="module")
def served(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Version 1 is in Production. The tests leave it as they found it."""
    home = tmp_path_factory.mktemp("stock") / "home"
    with in_state(cluster, JANUARY_SERVED, simulated_drops, home) as platform:
        yield platform


@pytest.fixture
def package(served: Platform) -> Path:
    """The folder of the MLflow model of version 1."""
    uri = served.models._client.get_model_version_download_uri("streamflow_churn", "1")
    return Path(unquote(urlsplit(uri).path))


def test_pyfunc_gives_what_score_writes(served: Platform) -> None:
    run = score(served, JANUARY).run
    scored = pl.concat(scores.read_scores(served.address, run))
    expected = {row["key"]: row for row in scored.iter_rows(named=True)}
    rows = training_set(served, JANUARY)
    with mlflow_at(served.tracking_uri):
        stock = mlflow.pyfunc.load_model("models:/streamflow_churn@production")
        answers = stock.predict(rows.matrix.to_pandas())
    keys = rows.frame[rows.key].to_list()
    assert len(answers) == len(keys) == len(expected)
    for key, answer in zip(keys, answers.itertuples(), strict=True):
        told = expected[key]
        assert (answer.probability.hex(), answer.prediction) == (
            told["probability"].hex(),
            told["prediction"],
        )
    decision = load_serving_version(served, served.models.version(1)).predictor.decision
    assert decision.calibrator.raw  # the state has one, and it is part of what agrees


def test_nothing_of_it_is_a_pickle(package: Path) -> None:
    for path in package.iterdir():
        assert path.suffix not in (".pkl", ".pickle", ".joblib")
        assert not path.read_bytes().startswith(b"\x80")


CHANGES = {
    "predictor.py": (b"probability >=", b"probability <"),
    "calibrator.py": (b"1e-6", b"1e-3"),
    "compiled_model.py": (b"total / trees", b"total"),
    "predictor.json": (b'"threshold": ', b'"threshold": 1'),
    "requirements.txt": (b"numpy==", b"somebodys-numpy=="),
    "MLmodel": (b'"predictor.py"', b'"different.py"'),
}


@contextmanager
def changed(package: Path, name: str) -> Iterator[None]:
    """A file of the client is different in the block."""
    before, after = CHANGES[name]
    original = (package / name).read_bytes()
    assert before in original
    (package / name).write_bytes(original.replace(before, after))
    try:
        yield
    finally:
        (package / name).write_bytes(original)


def test_a_changed_or_lost_file_of_the_client_is_named(served: Platform, package: Path) -> None:
    record = find_recorded_version(served, "1")
    assert describe_changed_artifacts(served, record) == []
    for name in CHANGES:
        with changed(package, name):
            sentence = f"the file {name} in the MLflow model of version 1 was changed"
            assert describe_changed_artifacts(served, record) == [sentence]
    with changed(package, "predictor.py"):
        (package / "predictor.py").unlink()
        sentence = "the MLflow model of version 1 has no predictor.py"
        assert describe_changed_artifacts(served, record) == [sentence]


def test_such_a_version_is_not_exported_and_not_promoted_but_we_go_on(
    served: Platform, package: Path, tmp_path: Path
) -> None:
    """Our own services run nothing of these files."""
    version = served.models.version(1)
    with changed(package, "predictor.py"):
        with pytest.raises(
            ArtifactUntrusted, match=r"the file predictor\.py of version 1 was chang"
        ):
            export(served, "1", tmp_path / "one.version")
        gates = {gate.name: gate for gate in examine(served, version, None).gates}
        sentence = "the file predictor.py in the MLflow model of version 1 was changed"
        assert (gates["passport"].passed, gates["passport"].evidence) == (False, sentence)
        assert load_serving_version(served, version).version == 1


def test_the_code_of_a_client_imports_nothing_of_streamflow() -> None:
    files = [*Path(portable.__path__[0]).glob("*.py"), Path(calibrator.__file__)]
    assert len(files) == 6
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names.append(node.module or "")
            assert not [name for name in names if name.split(".")[0] in ("streamflow", "polars")]
