"""The state of services: one that cannot be asked is described, and no error of the question."""

from __future__ import annotations

import socket

from streamflow.services.health import _explain_not_ready


def test_an_api_that_does_not_answer_is_a_note() -> None:
    """As while its database restarts and it has just passed its health check."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        note = _explain_not_ready(f"http://127.0.0.1:{taken.getsockname()[1]}/ready")
    assert note.startswith("not ready: it does not answer (")
