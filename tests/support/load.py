"""Clients that ask without a pause, and what must hold for every answer that they get."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from streamflow.platform import Platform
from streamflow.steps.serving.predict import Prediction, predict_rows
from streamflow.steps.serving.serving_version import load_serving_version
from support.chain import NOW

PATIENCE_S = 30  # after which a client says that the API hangs


class Truth(NamedTuple):
    """What a version says of a key."""

    probability: float
    prediction: int
    run_id: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer; `at` is when it was complete, `seconds` after the question."""

    request_id: str
    key: str
    status: int
    body: Mapping[str, object]
    retry_after: str | None
    at: float
    seconds: float

    @property
    def version(self) -> int:
        """The version that answered."""
        model = self.body["model"]
        assert isinstance(model, dict)
        return int(model["version"])

    @property
    def truth(self) -> Truth:
        """What was answered."""
        model = self.body["model"]
        assert isinstance(model, dict)
        return Truth(
            float(str(self.body["probability"])), int(str(self.body["prediction"])), model["run_id"]
        )


Truths = Mapping[tuple[int, str], Truth]


def truths(
    platform: Platform, keys: Sequence[str], versions: Sequence[int]
) -> dict[tuple[int, str], Truth]:
    """What each version says of each key, made here and not in the API's process."""
    found = {}
    for version in versions:
        serving = load_serving_version(platform, platform.models.version(version))
        for one in predict_rows(
            serving, keys, serving.reader.read_many(platform.connection, keys), now=NOW
        ):
            assert isinstance(one, Prediction)
            found[version, str(one.key)] = Truth(one.probability, one.prediction, one.run_id)
    return found


class Load:
    """Run clients until the end of the block.

    Each has its own connection and asks for one key after the other.
    """

    def __init__(
        self,
        base: str,
        keys: Sequence[str],
        *,
        clients: int = 4,
        pause: float = 0.0,
        api_key: str | None = None,
    ) -> None:
        self._key_header = {} if api_key is None else {"X-API-Key": api_key}
        self.replies: list[Reply] = []
        self.broken: list[str] = []  # questions that got no answer, since the connection broke
        self._address, self._keys, self._pause = urlsplit(base).netloc, keys, pause
        self._name, self._ended = uuid4().hex[:8], Event()
        self._threads = [Thread(target=self._ask, args=[n], daemon=True) for n in range(clients)]

    def __enter__(self) -> Load:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let each question that is on its way be answered."""
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=2 * PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    def seen(self, status: int, *, after: int = 0) -> bool:
        """Whether that status was among the answers, of those after the first `after` ones."""
        return any(reply.status == status for reply in self.replies[after:])

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_S)
        for turn in count():
            if self._ended.is_set():
                break
            key = self._keys[(number * 7 + turn) % len(self._keys)]
            try:
                self.replies.append(self._answer(connection, f"{self._name}-{number}-{turn}", key))
            except TimeoutError:
                self.broken.append(f"no answer within {PATIENCE_S} s")
                connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(type(error).__name__)
                connection.close()
                time.sleep(0.05)
            if self._pause:
                time.sleep(self._pause)
        connection.close()

    def _answer(self, connection: http.client.HTTPConnection, request_id: str, key: str) -> Reply:
        began = time.monotonic()
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
        headers |= self._key_header
        connection.request("POST", "/predict", json.dumps({"user_id": key}), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return Reply(
            request_id=request_id,
            key=key,
            status=answer.status,
            body=body,
            retry_after=answer.getheader("Retry-After"),
            at=time.time(),
            seconds=time.monotonic() - began,
        )


def wrong(replies: Sequence[Reply], truth: Truths) -> list[str]:
    """The answers that are wrong.

    An answer is what its version says of its key; a refusal says when to come again.
    """
    found = []
    for reply in replies:
        if reply.status == 200:
            if reply.truth != truth[reply.version, reply.key]:
                found.append(
                    f"{reply.key}: {reply.truth} by version {reply.version},"
                    f" not {truth[reply.version, reply.key]}"
                )
        elif reply.status != 503 or reply.retry_after is None:
            found.append(f"{reply.status} {reply.body}, Retry-After {reply.retry_after}")
    return found


def not_logged(platform: Platform, replies: Sequence[Reply]) -> list[str]:
    """The answers given that are not in the prediction log as they were given."""
    given = [reply for reply in replies if reply.status == 200]
    statement = (
        "SELECT request_id, key, version, probability, prediction, run_id"
        " FROM streamflow.prediction_log WHERE request_id = ANY(%s)"
    )
    rows = platform.connection.execute(
        statement, [[reply.request_id for reply in given]]
    ).fetchall()
    logged = {request_id: (key, version, Truth(*said)) for request_id, key, version, *said in rows}
    return [r.request_id for r in given if logged.get(r.request_id) != (r.key, r.version, r.truth)]
