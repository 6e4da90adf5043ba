"""Where the console looks for the API and for the pages of the tools."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from threading import Event

import pytest

from streamflow.services.running_stack import Stack, is_up, take_lock
from streamflow.services.surroundings import find_api_address, find_pages, list_services
from streamflow.settings import Settings
from streamflow.web.shared_question import SharedQuestion

PORTS = {"prefect": 4201, "mlflow": 5001, "feast-ui": 8889, "api": 8001, "worker": 0}


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state folder of a stack that listens on every address."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    lock = take_lock(tmp_path)
    assert lock is not None
    Stack(host="0.0.0.0", ports=PORTS, prefect_url="").save(tmp_path)  # noqa: S104
    yield tmp_path
    os.close(lock)


def test_the_pages_are_those_of_up(up: Path) -> None:
    assert find_pages(Settings(), up) == {
        "mlflow": "http://0.0.0.0:5001",
        "prefect": "http://0.0.0.0:4201",
        "feast": "http://0.0.0.0:8889",
        "api": "http://0.0.0.0:8001/docs",
    }
    assert find_api_address(Settings(), up) == "http://127.0.0.1:8001"


def test_a_setting_comes_before_up(up: Path) -> None:
    settings = Settings(
        mlflow_page="https://mlflow.example.com",
        grafana_page="http://localhost:3000",
        feast_page="",
        api_address="http://api:8000",
    )
    pages = find_pages(settings, up)
    assert pages["mlflow"] == "https://mlflow.example.com"
    assert pages["grafana"] == "http://localhost:3000"
    assert pages["feast"] == "http://0.0.0.0:8889"
    assert find_api_address(settings, up) == "http://api:8000"


def test_without_up_the_servers_of_the_tools_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example.com:4200/api")
    settings = Settings(mlflow_tracking_uri="http://mlflow.example.com:5000")
    assert find_pages(settings, tmp_path) == {
        "mlflow": "http://mlflow.example.com:5000",
        "prefect": "http://prefect.example.com:4200",
    }
    monkeypatch.setenv("PREFECT_API_URL", "https://api.prefect.cloud/api/accounts/1")
    assert find_pages(Settings(), tmp_path) == {}
    assert list_services(tmp_path) is None
    assert find_api_address(Settings(api_host="::"), tmp_path) == "http://[::1]:8000"


def test_many_pages_share_one_question() -> None:
    answered = Event()
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        answered.wait(20)
        return len(asked)

    question = SharedQuestion(ask)
    pending = [question.begin() for _ in range(50)]
    assert not wait(pending, timeout=0).done
    answered.set()
    assert {future.result(20) for future in pending} == {1}
    assert question.begin().result(20) == 2


def test_an_error_goes_to_who_waits() -> None:
    def fail() -> None:
        raise ValueError("nobody answers")

    with pytest.raises(ValueError, match="nobody answers"):
        SharedQuestion(fail).begin().result(20)


def test_two_that_look_at_the_same_time_do_not_see_a_stack_in_each_other(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert not is_up(tmp_path)
    with (tmp_path / "run" / "up.lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_up(tmp_path)
        assert take_lock(tmp_path) is None
    descriptor = take_lock(tmp_path)
    assert descriptor is not None
    assert is_up(tmp_path)
    os.close(descriptor)
