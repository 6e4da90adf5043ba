"""What an uninstallation says about places that it leaves."""

from __future__ import annotations

from pathlib import Path

from streamflow.settings import load_settings
from streamflow.steps.upkeep.uninstall import plan_uninstall


def test_the_rows_in_a_lake_stay_and_are_named(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "absent", lake="s3://bucket/churn")
    (sentence,) = plan_uninstall(settings).remaining
    assert "s3://bucket/churn" in sentence
