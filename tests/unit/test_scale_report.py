"""The report of benchmarks/scale.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "scale_report.py"


@pytest.fixture(scope="module")
def report() -> ModuleType:
    """The module, which is in no package."""
    specification = importlib.util.spec_from_file_location("scale_report", FILE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_work_that_doubles_with_the_size_has_the_exponent_1(report: ModuleType) -> None:
    assert report.fit_exponent([10, 20, 40], [3.0, 6.0, 12.0]) == pytest.approx(1.0)
    assert report.fit_exponent([10, 20, 40], [3.0, 12.0, 48.0]) == pytest.approx(2.0)


def test_work_has_no_start_of_processes(report: ModuleType) -> None:
    costs = {
        "start": report.Cost(9.0, 2.0, 1, 0.1),
        "ingest": report.Cost(30.0, 11.0, 2, 0.2) + report.Cost(3.0, 1.0, 1, 0.4),
        "score": report.Cost(9.0, 1.0, 1, 0.1),
    }
    assert report.work_of(costs) == {"ingest": 6.0, "score": report.SHORTEST_WORK_S}
    assert costs["ingest"].gigabytes == 0.4


def test_the_curve_has_a_line_of_every_step(report: ModuleType, tmp_path: Path) -> None:
    work = {
        report.Size(users, months): {"ingest": users * months / 1e5, "a < b": 1.0}
        for users in (10_000, 100_000)
        for months in (2, 6)
    }
    report.write_curve(tmp_path / "curve.svg", work)
    root = ET.parse(tmp_path / "curve.svg").getroot()  # noqa: S314  # our own file
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(lines) == 2
    assert all(len(line.attrib["points"].split()) == 4 for line in lines)
    assert {"ingest", "a < b", "10,000", "1,000,000"} <= set(texts)
