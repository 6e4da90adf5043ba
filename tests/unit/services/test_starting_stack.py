"""What other commands see of a stack that is just starting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from streamflow.services.prefect_server import running_server
from streamflow.services.running_stack import Stack, read_running_stack, take_lock


@pytest.fixture
def prefect_port() -> Iterator[int]:
    """The port of a server that answers as Prefect's: also one of a different installation."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def make_stack(port: int) -> Stack:
    return Stack(
        host="127.0.0.1", ports={"prefect": port}, prefect_url=f"http://127.0.0.1:{port}/api"
    )


def test_the_ports_of_an_earlier_stack_are_not_those_of_the_next_one(
    tmp_path: Path, prefect_port: int
) -> None:
    first = take_lock(tmp_path)
    assert first is not None
    make_stack(prefect_port).save(tmp_path)
    assert running_server(tmp_path) == f"http://127.0.0.1:{prefect_port}/api"
    os.close(first)
    second = take_lock(tmp_path)
    assert second is not None
    assert read_running_stack(tmp_path) is None
    os.close(second)


def test_a_command_waits_for_the_server_of_a_stack_that_chooses_its_ports(
    tmp_path: Path, prefect_port: int
) -> None:
    lock = take_lock(tmp_path)
    assert lock is not None
    with ThreadPoolExecutor(max_workers=1) as pool:
        found = pool.submit(running_server, tmp_path)
        assert not Event().wait(0.5)
        assert not found.done()
        make_stack(prefect_port).save(tmp_path)
        assert found.result(30) == f"http://127.0.0.1:{prefect_port}/api"
    os.close(lock)
    assert running_server(tmp_path) == ""


def test_who_looks_never_sees_half_of_a_stack(tmp_path: Path) -> None:
    lock = take_lock(tmp_path)
    assert lock is not None
    stack = make_stack(4200)
    stack.save(tmp_path)
    file = tmp_path / "run" / "stack.json"
    with file.open(encoding="utf-8") as opened:
        stack.save(tmp_path)
        # Whoever opened the file before the new one was written reads a whole file.
        assert opened.read() == file.read_text(encoding="utf-8")
        assert os.fstat(opened.fileno()).st_ino != file.stat().st_ino
    os.close(lock)
