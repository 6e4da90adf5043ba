"""The configuration of supervisord: how each service of `up` is started."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

import pytest

from streamflow.services.programs import PROGRAMS, Program
from streamflow.services.running_stack import Stack
from streamflow.services.supervisor_configuration import write_configuration


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_no_service_imports_a_module_of_the_current_folder(
    tmp_path: Path, program: Program
) -> None:
    ports = {declared.name: 5000 for declared in PROGRAMS}
    stack = Stack(host="127.0.0.1", ports=ports, prefect_url="")
    parser = RawConfigParser()
    parser.read(write_configuration(tmp_path, stack))
    section = parser[f"program:{program.name}"]
    assert " -P -m " in section["command"]
    # MLflow starts its server with Python, too.
    assert 'PYTHONSAFEPATH="1"' in section["environment"]
