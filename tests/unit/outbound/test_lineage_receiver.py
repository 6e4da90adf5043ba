"""A file of lineage that is no ordinary file, and paths that are no UTF-8."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread

from streamflow.outbound.lineage_receiver import LineageReceiver


def make_receiver(file: Path, notes: list[str]) -> LineageReceiver:
    return LineageReceiver(file=file, url=None, api_key=None, notify=notes.append)


def test_a_named_pipe_is_written_only_while_somebody_reads_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    notes: list[str] = []
    make_receiver(pipe, notes).take({"event": 1})
    assert notes == [f"lineage is not written to {pipe}: No such device or address"]

    lines: list[bytes] = []
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)

    def read() -> None:
        with os.fdopen(reader, "rb") as stream:
            lines.extend(stream)

    thread = Thread(target=read)
    event = {"passport": "x" * 200_000}  # more than a pipe holds
    receiver = make_receiver(pipe, notes)
    writer = os.open(pipe, os.O_WRONLY)  # the reader goes on until this is closed
    thread.start()
    receiver.take(event)
    os.close(writer)
    thread.join()
    assert [json.loads(line) for line in lines] == [event]
    assert len(notes) == 1


def test_a_path_whose_bytes_are_no_utf8_is_written(tmp_path: Path) -> None:
    file = tmp_path / "lineage.jsonl"
    notes: list[str] = []
    event = {"name": os.fsdecode(b"/drops/caf\xe9")}
    make_receiver(file, notes).take(event)
    assert json.loads(file.read_text(encoding="utf-8")) == event
    assert not notes
