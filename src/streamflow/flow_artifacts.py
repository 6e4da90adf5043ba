"""Publish what a flow did as artifacts of its Prefect run.

A receipt becomes a table, a report becomes a link, and the steps of a flow move a progress bar.
No artifact holds a key or a value of a user: receipts hold counts and digests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from math import isfinite
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from streamflow.core.versions.version_address import version_address
from streamflow.settings import Settings

COMPLETE = 100.0  # percent
# A warning can quote the keys of users, which 'forget' could not erase here. Its number is enough:
# the receipt of the command shows the text.
COUNTED_FIELDS = ("warnings",)


@contextmanager
def only_warned() -> Iterator[None]:
    """Log an error of the block as a warning.

    Each step has committed when its artifact is published. An artifact must not make it fail.
    """
    try:
        yield
    # Whatever the error of Prefect's API is, the step has been done.
    except Exception:  # noqa: BLE001
        get_run_logger().warning("An artifact of the run was not published.", exc_info=True)


class StepProgress:
    """The progress bar of one flow run: it moves by the same length for each finished step."""

    def __init__(self, flow_name: str, steps: Sequence[str]) -> None:
        self._steps = list(steps)
        self._artifact: UUID | None = None
        with only_warned():
            artifact = create_progress_artifact(
                0.0,
                key=f"{flow_name}-progress",
                description=f"next: {self._steps[0]}",
            )
            assert isinstance(artifact, UUID)  # a coroutine only inside an event loop
            self._artifact = artifact

    def finish(self, step: str) -> None:
        """Move the bar because `step` is finished, and name the next step."""
        count = self._steps.index(step) + 1
        next_steps = self._steps[count:]
        description = f"next: {next_steps[0]}" if next_steps else "finished"
        share = COMPLETE * count / len(self._steps)
        if self._artifact is not None:
            with only_warned():
                update_progress_artifact(self._artifact, round(share, 1), description=description)


def publish_receipt(step: str, receipt: object) -> None:
    """Publish the receipt of a step as a table with one row per field.

    The key of the artifact is the name of the step, so that Prefect shows the history of a step.
    """
    table = [{"field": field, "value": value} for field, value in flatten_receipt(receipt)]
    key = f"{step}-receipt"
    with only_warned():
        create_table_artifact(table, key=key, description=f"The receipt of the step {step}.")
        get_run_logger().info("%s has finished; its receipt is the artifact %s", step, key)


def publish_version_link(settings: Settings, model: str, version: int) -> None:
    """Publish a link to the page of a version, where MLflow shows its files and its reports."""
    with only_warned():
        create_link_artifact(
            version_page(settings, model, version),
            link_text=f"version {version} of {model} in MLflow",
            key="version-page",
            description="Metrics, passport.json, label_honesty.json and figures of the version.",
        )


def version_page(settings: Settings, model: str, version: int) -> str:
    """Return the address of the page at which MLflow shows a version."""
    tracking_uri = settings.mlflow_tracking_uri or ""
    server = tracking_uri if tracking_uri.startswith(("http://", "https://")) else ""
    page = settings.mlflow_page or server or f"http://127.0.0.1:{settings.mlflow_port}"
    return version_address(page, model, version)


def flatten_receipt(receipt: object, name: str = "") -> Iterator[tuple[str, str | int | float]]:
    """Yield the name and the value of each field of a receipt, those of its parts with a dot.

    >>> from datetime import date
    >>> list(flatten_receipt({"as_of": date(2024, 1, 31), "tables": [{"rows": 7043}]}))
    [('as_of', '2024-01-31'), ('tables.1.rows', 7043)]
    """
    for field, value in _list_fields(receipt):
        path = f"{name}.{field}" if name else field
        if field in COUNTED_FIELDS and isinstance(value, Sequence):
            yield path, len(value)
        elif _has_fields(value):
            yield from flatten_receipt(value, path)
        else:
            yield path, _plain_value(value)


def _has_fields(value: object) -> bool:
    is_group = isinstance(value, Mapping | tuple | list)
    return dataclasses.is_dataclass(value) or is_group


def _list_fields(value: Any) -> Iterator[tuple[str, object]]:
    """Yield the parts of a dataclass or a mapping by name, and those of a sequence by number."""
    if isinstance(value, Mapping):
        yield from ((str(name), entry) for name, entry in value.items())
    elif isinstance(value, tuple | list):
        yield from ((str(number), entry) for number, entry in enumerate(value, start=1))
    else:
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)


def _plain_value(value: object) -> str | int | float:
    """Return a value as JSON has it: a number that is not finite, and all else, as text."""
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, int | float):
        return value
    return str(value)
