"""The files of exported versions: none stays longer than it is needed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any

import pytest
from support.console_pages import make_board

from streamflow.console import work_forms
from streamflow.console.exports import FOLDER, ExportFolder
from streamflow.console.jobs import MAX_JOBS, Job, JobOrder
from streamflow.errors import StreamflowError
from streamflow.steps.upkeep.uninstall import STATE_ENTRIES

ORDER = JobOrder(kind="export", arguments={}, subject="version 1", who="")


def test_a_file_gives_way_to_the_next_one(tmp_path: Path) -> None:
    folder = ExportFolder(tmp_path)
    folder.clear()
    folder.make_room()
    folder.file_of("1").write_bytes(b"rows of users")
    assert folder.file_of("1").parent.stat().st_mode & 0o777 == 0o700
    with folder.file_of("1").open("rb") as download:
        folder.make_room()
        assert download.read() == b"rows of users"
    assert not folder.file_of("1").exists()
    folder.file_of("2").write_bytes(b"rows of users")
    folder.clear()
    assert list(tmp_path.iterdir()) == []
    folder.remove("2")


def test_the_file_of_a_forgotten_job_is_removed(tmp_path: Path) -> None:
    """A user is forgotten: the file of a job that still runs is removed at its end."""
    folder = ExportFolder(tmp_path)
    folder.make_room()

    def wait(job: Job) -> None:
        end = monotonic() + 20
        while job.is_running and monotonic() < end:
            sleep(0.01)

    board = make_board(
        lambda order, on_message: (
            folder.file_of(order.job_id).write_bytes(b"rows of users"),
            board.forget_receipts(),
            on_message({"receipt": {}}),
        ),
        folder.remove,
    )
    job = board.start(ORDER)
    wait(job)
    assert board.find(job.order.job_id) is None
    assert not folder.file_of(job.order.job_id).exists()


def test_the_file_of_the_oldest_job_goes_with_it() -> None:
    forgotten: list[str] = []
    board = make_board(lambda _, on_message: on_message({"receipt": {}}), forgotten.append)
    for number in range(MAX_JOBS + 2):
        order = JobOrder(
            job_id=str(number), kind="export", arguments={}, subject="version 1", who=""
        )
        job = board.start(order)
        end = monotonic() + 20
        while job.is_running and monotonic() < end:
            sleep(0.001)
    assert forgotten == ["0", "1"]


def test_an_uninstallation_removes_what_a_killed_console_left() -> None:
    assert FOLDER in STATE_ENTRIES


def test_an_erasure_that_ends_with_an_error_forgets_the_jobs_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user is erased already when the lake cannot be cleaned."""

    def fail(*_: object) -> None:
        raise StreamflowError("the lake cannot be cleaned")

    forgotten: list[str] = []
    board = make_board(lambda _, on_message: on_message({"receipt": {}}), forgotten.append)
    job = board.start(ORDER)
    end = monotonic() + 20
    while job.is_running and monotonic() < end:
        sleep(0.001)
    state: Any = SimpleNamespace(acting=nullcontext, jobs=board)
    anything: Any = None
    monkeypatch.setattr(work_forms, "do_work", fail)
    with pytest.raises(StreamflowError, match="the lake"):
        work_forms._forget(state, anything, anything, ORDER)
    assert forgotten == [ORDER.job_id]
