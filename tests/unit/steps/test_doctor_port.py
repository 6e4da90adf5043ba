"""What doctor says of the API's port, whatever listens there."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from errno import EADDRNOTAVAIL
from pathlib import Path
from threading import Thread

from streamflow.settings import Settings
from streamflow.steps.upkeep.doctor.finding import Finding
from streamflow.steps.upkeep.doctor.machine import check_port


def look(home: Path, host: str, port: int) -> Finding:
    return check_port(Settings(home=home, api_host=host, api_port=port))


def test_a_program_that_does_not_speak_http_takes_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                    connection.recv(1000)

        Thread(target=answer, daemon=True).start()
        port = server.getsockname()[1]
        finding = look(tmp_path, "127.0.0.1", port)
    assert (finding.state, finding.text) == (
        "WRONG",
        f"{port} of 127.0.0.1 is taken by another program",
    )


def test_an_address_of_ipv6_is_an_address(tmp_path: Path) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
    finding = look(tmp_path, "::1", port)
    assert (finding.state, finding.text) == ("ok", f"{port} of ::1 is free")


def test_an_address_of_a_different_machine_is_not_a_taken_port(tmp_path: Path) -> None:
    finding = look(tmp_path, "192.0.2.1", 8000)
    assert finding.is_wrong
    assert finding.text == f"8000 of 192.0.2.1 cannot be used: {os.strerror(EADDRNOTAVAIL)}"
