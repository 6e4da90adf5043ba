"""Proof: stock MLflow clients of two releases give the answers of `score`, to the last bit.

Each client lives in a fresh environment that has the requirements of the version, and nothing else.
It needs a package registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import uuid4

import polars as pl
import pytest
from conftest import Cluster
from support.chain import JANUARY, load
from support.processes import wait_for

from streamflow.models.kinds import MODEL_KINDS
from streamflow.platform import Platform, open_platform
from streamflow.services.processes import free_port
from streamflow.steps.promotion.promote import promote
from streamflow.steps.serving.score import score
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse import scores

Answers = list[list[Any]]  # [probability in hexadecimal, prediction] of each row

CLIENT = """
import importlib.util, json, sys
import mlflow, pandas
assert not any(importlib.util.find_spec(name) for name in ("streamflow", "polars"))
frame = pandas.read_parquet(sys.argv[1])
answers = {}
for version in sys.argv[2:]:
    model = mlflow.pyfunc.load_model(f"models:/streamflow_churn/{version}")
    assert [column.name for column in model.metadata.signature.outputs] == [
        "probability", "prediction"
    ]
    assert len(model.predict(model.input_example)) == 1
    told = model.predict(frame)
    answers[version] = [[p.hex(), int(d)] for p, d in zip(told["probability"], told["prediction"])]
json.dump({"mlflow": mlflow.__version__, "answers": answers}, sys.stdout)
"""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """An MLflow server with a version of each kind of model, calibrated and not.

    frame     a Parquet file with the features of January
    expected  version -> the answers of `score` for its rows
    """

    url: str
    frame: Path
    kinds: Mapping[str, str]
    expected: Mapping[str, Answers]
    requirements: Mapping[str, Path]


@pytest.fixture(scope="module")
def registered(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registered]:
    """Two versions of each kind; the first, a calibrated baseline forest, is in Production."""
    name = f"sf_stock_{uuid4().hex[:12]}"
    cluster.clone(name)
    folder = tmp_path_factory.mktemp("stock")
    kinds: dict[str, str] = {}
    with open_platform(cluster.settings(name, folder / "home")) as platform:
        load(platform, simulated_drops / "month_000", JANUARY)
        for kind in ("baseline", *(kind for kind in MODEL_KINDS if kind != "baseline")):
            for calibration in ("isotonic", "none"):
                values = {"model": kind, "calibration": calibration}
                settings = platform.settings.model_copy(update=values)
                kinds[str(train(replace(platform, settings=settings), JANUARY).version)] = kind
        promote(platform, 1, force=True, why="a proof")
        expected = {version: scored(platform, int(version)) for version in kinds}
        requirements = {v: requirements_of(platform, int(v), folder / v) for v in kinds}
        frame = folder / "january.parquet"
        training_set(platform, JANUARY).matrix.write_parquet(frame)
    with mlflow_server(cluster.variables(name, folder / "home"), folder / "server.log") as url:
        yield Registered(
            url=url, frame=frame, kinds=kinds, expected=expected, requirements=requirements
        )
    cluster.drop(name)


def scored(platform: Platform, version: int) -> Answers:
    """The answers of `score`, in the order of the training set."""
    run = score(platform, JANUARY, version=version).run
    rows = pl.concat(scores.read_scores(platform.address, run)).rows(named=True)
    answers = {row["key"]: [row["probability"].hex(), row["prediction"]] for row in rows}
    data = training_set(platform, JANUARY)
    return [answers[key] for key in data.frame[data.key].to_list()]


def requirements_of(platform: Platform, version: int, folder: Path) -> Path:
    return platform.models.fetch_package(platform.models.version(version), folder) / (
        "requirements.txt"
    )


@contextmanager
def running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """A server in the block; afterwards it and its children end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, 15)
            process.wait(60)


def answers_at(url: str) -> bool:
    try:
        return bool(urlopen(url, timeout=5).status == 200)  # noqa: S310  # a server of this test
    except (URLError, OSError):
        return False


@contextmanager
def mlflow_server(variables: Mapping[str, str], log: Path) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamflow", "exec", "--", "mlflow", "server"]
    with running([*command, "--port", str(port), "--workers", "1"], variables, log):
        assert wait_for(lambda: answers_at(f"{url}/health"), 180), log.read_text()
        yield url


class Environment:
    """A Python environment of its own, with packages of the registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent),
                                                           os.environ["PATH"]]))  # fmt: skip
        self.run(f"{self.uv}", "venv", "-q", "--python", sys.executable, str(folder))

    def install(self, *requirements: str) -> None:
        python = str(self.folder / "bin" / "python")
        self.run(f"{self.uv}", "pip", "install", "-q", "--python", python, *requirements)

    @property
    def variables(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        return {"PATH": path, "VIRTUAL_ENV": str(self.folder), "PYTHONPATH": ""}

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **variables}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        return done


# The server of MLflow 2.22 uses what Starlette 1 removed, and does not say so in its requirements.
CLIENTS = {"2.22": ("mlflow==2.22.*", "starlette<1"), "3.17": ("mlflow==3.17.*",)}


@pytest.mark.parametrize("release", CLIENTS)
def test_a_stock_client_answers_as_score_does(
    registered: Registered, tmp_path: Path, release: str
) -> None:
    """Answer by each version of each kind.

    The requirements of forests and regression come first; boosting brings one package more.
    """
    environment = Environment(tmp_path / "environment")
    checked = []
    for kinds in (("baseline", "logistic", "forest"), ("boosting",)):
        versions = [version for version, kind in registered.kinds.items() if kind in kinds]
        for version in versions:
            file = registered.requirements[version]
            environment.install("-r", str(file), *CLIENTS[release])
        done = environment.run(
            str(environment.folder / "bin" / "python"),
            "-c",
            CLIENT,
            str(registered.frame),
            *versions,
            **environment.variables,
            MLFLOW_TRACKING_URI=registered.url,
        )
        told = json.loads(done.stdout)
        assert told["mlflow"].startswith(release)
        assert "mismatch" not in done.stderr
        for version in versions:
            assert told["answers"][version] == registered.expected[version]
            checked.append(version)
        if "baseline" in kinds:
            check_serving(environment, registered, tmp_path / "serve.log")
    assert set(checked) == set(registered.kinds)
    rows = len(registered.expected["1"])
    print(f"\nmlflow {told['mlflow']}: {rows} rows of {len(checked)} versions agree")


def check_serving(environment: Environment, registered: Registered, log: Path) -> None:
    """`mlflow models serve` gives the same for the version in Production."""
    port = free_port()
    command = [
        str(environment.folder / "bin" / "mlflow"), "models", "serve",
        "-m", "models:/streamflow_churn@production", "--env-manager", "local",
        "--host", "127.0.0.1", "-p", str(port),
    ]  # fmt: skip
    variables = {**environment.variables, "MLFLOW_TRACKING_URI": registered.url}
    frame = pl.read_parquet(registered.frame)
    body = {"dataframe_split": {"columns": frame.columns, "data": [list(r) for r in frame.rows()]}}
    with running(command, variables, log):
        assert wait_for(lambda: answers_at(f"http://127.0.0.1:{port}/ping"), 180), log.read_text()
        request = Request(  # a server of this test
            f"http://127.0.0.1:{port}/invocations",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=120) as response:  # noqa: S310
            told = json.load(response)["predictions"]
    assert [[row["probability"].hex(), row["prediction"]] for row in told] == (
        registered.expected["1"]
    )
