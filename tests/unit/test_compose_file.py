"""The services of compose.yaml, without Docker."""

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import yaml

import streamflow

ROOT = Path(__file__).parents[2]


def read_services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


def test_each_service_of_ours_has_its_check() -> None:
    checks = runpy.run_path(str(ROOT / "deploy/docker/healthcheck.py"))["CHECKS"]
    names = set()
    for name, service in read_services().items():
        command = service.get("healthcheck", {}).get("test", [])
        if any("healthcheck.py" in part for part in command):
            assert command[-1] == name
            names.add(name)
    assert names == set(checks)


def test_the_console_asks_for_a_key_and_is_published_on_this_machine() -> None:
    console = read_services()["console"]
    assert console["environment"]["STREAMFLOW_API_AUTH"] == "on"
    assert console["ports"] == ["${BIND:-127.0.0.1}:${CONSOLE_PORT:-8400}:8400"]
    assert "8400" in console["command"]


def test_each_service_has_a_limit_of_memory_and_of_processors() -> None:
    limits = {name: {"mem_limit", "cpus"} & set(it) for name, it in read_services().items()}
    assert set(map(frozenset, limits.values())) == {frozenset({"mem_limit", "cpus"})}, limits


def test_the_image_says_what_it_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dockerfile = (ROOT / "Dockerfile").read_text()
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', dockerfile))
    assert labels["version"] == streamflow.__version__
    assert labels["licenses"] == project["license"]
