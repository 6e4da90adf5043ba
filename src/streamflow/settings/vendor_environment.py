"""The environment variables that the tools of other makers read."""

from __future__ import annotations

from pathlib import Path

# No vendor sends data to its maker, and Prefect keeps its state in our folder.
VENDOR_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "FEAST_USAGE": "False",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
}


def vendors_environment(home: Path) -> dict[str, str]:
    """Return the environment variables of the tools that do not work on PostgreSQL.

    `home` is the state folder as an absolute path.
    """
    return {**VENDOR_DEFAULTS, "PREFECT_HOME": str(home / "prefect")}
