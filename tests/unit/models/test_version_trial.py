"""A version is tried in a process of its own: whatever it does there, this process goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree
from subprocess import run

import numpy as np
import polars as pl
import pytest
from psutil import pid_exists
from support.processes import wait_for

from streamflow.catalog import load_catalog
from streamflow.core.training.calibrator import Calibrator
from streamflow.core.training.decision import Decision, Economics
from streamflow.core.training.stored_requests import Probes
from streamflow.core.versions.version_files import DECISION, MODEL, STORED_REQUESTS, VersionFile
from streamflow.errors import ArtifactUntrusted
from streamflow.models import model_file, trial_process
from streamflow.models.pipelines import fit_model
from streamflow.models.predictor import compile_predictor
from streamflow.models.trial_process import TrialProcess
from streamflow.models.version_trial import load_agreeing

NAME = "version 7 of churn"


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[VersionFile, str]]:
    """The files of a small version, and their digests."""
    folder = tmp_path_factory.mktemp("version")
    features = load_catalog(None).features
    numbers = [feature for feature in features if not feature.column.categorical][:2]
    frame = pl.DataFrame({feature.name: [float(i) for i in range(60)] for feature in numbers})
    label = (np.arange(60) > 30).astype(np.int8)
    pipeline = fit_model("baseline", frame, label, features=numbers, trees=2, seed=1)
    decision = Decision(
        threshold=0.5,
        rule="set",
        calibrator=Calibrator(),
        economics=Economics(kept_value=200, offer_cost=20, offer_success=0.3),
    )
    rows = frame.head(3).rows()
    probes = Probes(
        features=tuple(frame.columns),
        rows=rows,
        probabilities=tuple(compile_predictor(pipeline, decision).probability_rows(rows).tolist()),
    )
    digests = {MODEL: model_file.save(pipeline, folder / MODEL.name).file}
    for file, content in ((DECISION, decision.content), (STORED_REQUESTS, probes.content)):
        (folder / file.name).write_bytes(content)
        digests[file] = file.digest(content)
    return folder, digests


def test_a_version_that_answers_as_recorded_passes(
    version: tuple[Path, Mapping[VersionFile, str]],
) -> None:
    folder, digests = version
    TrialProcess().try_version(folder, digests, version_name=NAME)
    assert load_agreeing(folder, digests, version_name=NAME).threshold == 0.5


def test_no_module_of_the_current_folder_is_imported(
    version: tuple[Path, Mapping[VersionFile, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit('a script of somebody')\n")
    monkeypatch.chdir(tmp_path)
    folder, digests = version
    TrialProcess().try_version(folder, digests, version_name=NAME)


def test_a_trial_that_gets_no_version_ends_with_the_process_that_started_it() -> None:
    code = (
        "from streamflow.models.trial_process import TrialProcess\n"
        "print(TrialProcess()._process.pid)"
    )
    started = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert wait_for(lambda: not pid_exists(int(started.stdout)), seconds=5)


def test_a_version_that_only_scikit_learn_or_only_the_arrays_can_read_is_refused(
    version: tuple[Path, Mapping[VersionFile, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, digests = version
    for way in ("model_file.load", "model_arrays.load_arrays"):
        name = way.rpartition(".")[2]
        (tmp_path / "sitecustomize.py").write_text(
            f"from streamflow.models import {way.partition('.')[0]} as module\n"
            f"def fail(*_, **__): raise ValueError('not by {name}')\n"
            f"module.{name} = fail\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(ArtifactUntrusted, match=f"ValueError: not by {name}"):
            TrialProcess().try_version(folder, digests, version_name=NAME)


@pytest.mark.parametrize("as_arrays", [False, True])
def test_stored_requests_at_which_our_code_fails_are_a_refusal(
    version: tuple[Path, Mapping[VersionFile, str]], tmp_path: Path, as_arrays: bool
) -> None:
    folder, digests = version
    copytree(folder, tmp_path, dirs_exist_ok=True)
    stored = json.loads((folder / STORED_REQUESTS.name).read_bytes())
    stored["rows"][0][0] = "text"
    content = json.dumps(stored).encode()
    (tmp_path / STORED_REQUESTS.name).write_bytes(content)
    changed = {**digests, STORED_REQUESTS: STORED_REQUESTS.digest(content)}
    with pytest.raises(ArtifactUntrusted, match=f"{NAME} cannot answer its stored requests"):
        load_agreeing(tmp_path, changed, version_name=NAME, as_arrays=as_arrays)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("os.kill(os.getpid(), 11)", r"ended the process that tried it: signal 11 \(SIGSEGV\)"),
        ("os._exit(9)", "could not be tried: exit code 9, it said nothing"),
        ("print('a torn library'); os._exit(1)", "could not be tried: exit code 1"),
        # More than a pipe holds.
        ("print('x' * 1_000_000, flush=True); os._exit(1)", "could not be tried: exit code 1, x"),
        ("time.sleep(60)", "did not answer its stored requests in 1 s"),
    ],
)
def test_whatever_ends_the_process_is_a_refusal_with_its_reason(
    version: tuple[Path, Mapping[VersionFile, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    reason: str,
) -> None:
    # Python imports this module before everything else.
    (tmp_path / "sitecustomize.py").write_text(f"import os, time\n{action}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(trial_process, "TIME_LIMIT_S", 1.0)
    folder, digests = version
    with pytest.raises(ArtifactUntrusted, match=f"{NAME} {reason}"):
        TrialProcess().try_version(folder, digests, version_name=NAME)


def test_a_trial_that_uses_too_much_of_a_processor_is_refused(
    version: tuple[Path, Mapping[VersionFile, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_process, "CPU_LIMIT_S", 1)  # less than the imports take
    folder, digests = version
    with pytest.raises(ArtifactUntrusted, match=r"signal 24 \(SIGXCPU\)"):
        TrialProcess().try_version(folder, digests, version_name=NAME)


def test_a_changed_file_and_a_different_answer_are_refused(
    version: tuple[Path, Mapping[VersionFile, str]],
) -> None:
    folder, digests = version
    with pytest.raises(ArtifactUntrusted, match=r"model\.skops.* registered was 00"):
        load_agreeing(folder, {**digests, MODEL: "00"}, version_name=NAME)
    with pytest.raises(ArtifactUntrusted, match=r"probe_requests\.json is not the registered one"):
        load_agreeing(folder, {**digests, STORED_REQUESTS: "00"}, version_name=NAME)


def test_arrays_that_answer_otherwise_than_scikit_learn_are_refused(
    version: tuple[Path, Mapping[VersionFile, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, digests = version
    pipeline = model_file.load(folder / MODEL.name, expected_digest=digests[MODEL])
    answers = pipeline.predict_proba
    monkeypatch.setattr(pipeline, "predict_proba", lambda rows: 1 - answers(rows))
    monkeypatch.setattr(model_file, "load", lambda *_, **__: pipeline)
    load_agreeing(folder, digests, version_name=NAME, as_arrays=True)
    with pytest.raises(ArtifactUntrusted, match="from scikit-learn's answers"):
        load_agreeing(folder, digests, version_name=NAME, as_arrays=True, by_objects=True)


def test_a_trial_whose_libraries_are_broken_says_so(
    version: tuple[Path, Mapping[VersionFile, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It is not the version that ended the process."""
    (tmp_path / "pandas.py").write_text('raise ImportError("broken")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder, digests = version
    with pytest.raises(ArtifactUntrusted, match=r"exit code 1[\s\S]*broken"):
        TrialProcess().try_version(folder, digests, version_name=NAME)
