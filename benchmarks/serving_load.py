"""Send the load of a benchmark and measure the answers.

It writes HTTP/1.1 to raw sockets, in its own process and in one thread: it must cost so little
that it does not change the measurement.

It reads a `Job` as JSON from standard input and prints a `Load` as JSON. Each answer is checked:
its status is 200, and it holds the texts that the request asks for. A different answer counts as
failed, and neither for the throughput nor for a latency.

closed loop   each client sends as soon as it has its answer
open loop     `rate` requests a second, whatever the server does: a latency counts from the instant
              at which the request was due
"""

from __future__ import annotations

import gc
import json
import select
import socket
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle
from time import perf_counter

PATIENCE_S = 30.0  # for the answers that are still out at the end
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to send, and how."""

    port: int
    path: str
    requests: Sequence[
        tuple[str, Sequence[str]]
    ]  # (body, texts that its answer must hold), sent in this order, again and again
    clients: int
    seconds: float
    warm: float = 0.0  # seconds of the same load before the clock starts
    rate: float | None = None  # requests a second of an open loop


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came back."""

    per_second: float
    latencies: Sequence[float] = field(repr=False)  # ms, in rising order, of the good answers
    failed: dict[str, int]  # what was wrong -> how often

    def percentile(self, share: float) -> float:
        """The latency in ms below which this share of the good answers was; NaN without any."""
        return (
            self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]
            if self.latencies
            else float("nan")
        )


def load(job: Job) -> Load:
    """Do it in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(asdict(job)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Load(**json.loads(done.stdout))


class Client:
    """One connection with at most one request on its way."""

    __slots__ = ("_port", "buffer", "due", "marks", "socket")

    def __init__(self, port: int) -> None:
        self._port = port
        self.buffer, self.due, self.marks = b"", 0.0, ()
        self.connect()

    def connect(self) -> None:
        """Open a new connection."""
        self.socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, message: bytes, marks: tuple[bytes, ...], due: float) -> None:
        """Send a request that was due at an instant; its answer must hold `marks`."""
        self.buffer, self.due, self.marks = b"", due, marks
        self.socket.sendall(message)

    def receive(self) -> str | None:
        """What is wrong with the answer; empty when nothing is; None while it is not whole."""
        data = self.socket.recv(CHUNK)
        if not data:
            self.socket.close()
            self.connect()
            return "connection closed"
        data = self.buffer = self.buffer + data if self.buffer else data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = data[:end].lower()
        place = head.find(b"content-length: ")
        if place < 0:
            raise ValueError(f"an answer without a length: {head!r}")
        length = int(
            head[place + 16 : head.find(b"\r\n", place) if b"\r\n" in head[place:] else end]
        )
        if len(data) < end + 4 + length:
            return None
        if not data.startswith(b"HTTP/1.1 200"):
            return f"status {data[9:12].decode()}"
        return "" if all(mark in data for mark in self.marks) else "another answer"


class Run:
    """The state of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._messages = cycle(list(_messages(job)))
        self._clients = {
            client.socket.fileno(): client
            for client in (Client(job.port) for _ in range(job.clients))
        }
        self._begin = perf_counter() + job.warm
        self._end = self._begin + job.seconds
        self._good, self._in_time, self._failed = [], 0, Counter()

    def closed(self) -> Load:
        """Each client sends as soon as it has its answer."""
        poll = select.poll()
        for number, client in self._clients.items():
            poll.register(number, select.POLLIN)
            client.send(*next(self._messages), perf_counter())
        out = len(self._clients)
        while out and (now := perf_counter()) < self._end + PATIENCE_S:
            for number, _ in poll.poll(1000):
                client = self._clients[number]
                if not self._received(client):
                    continue
                if (now := perf_counter()) < self._end:
                    client.send(*next(self._messages), now)
                else:
                    out -= 1
        return self._load(out)

    def open(self, rate: float) -> Load:
        """Send each request when it is due; a request waits until a client is free."""
        free, out, sent, began = deque(self._clients.values()), [], 0, perf_counter()
        while (now := perf_counter()) < self._end + PATIENCE_S:
            due = began + sent / rate
            if due < self._end and due <= now and free:
                client = free.popleft()
                client.send(*next(self._messages), due)
                out.append(client.socket)
                sent += 1
                continue
            if due >= self._end and not out:
                break
            wait = max(0.0, min(due - now, 1.0)) if free and due < self._end else 1.0
            for answered in select.select(out, (), (), wait)[0]:
                client = self._clients[answered.fileno()]
                if self._received(client):
                    out.remove(answered)
                    free.append(client)
        return self._load(len(out))

    def _received(self, client: Client) -> bool:
        """Whether the client has its whole answer; it is counted."""
        wrong = client.receive()
        if wrong is None:
            return False
        now = perf_counter()
        if now >= self._begin:
            if wrong:
                self._failed[wrong] += 1
            else:
                self._good.append(now - client.due)
                self._in_time += now < self._end
        if self._clients.get(client.socket.fileno()) is not client:
            raise ConnectionError("the server closes connections")
        return True

    def _load(self, out: int) -> Load:
        if out:
            self._failed["no answer"] += out
        latencies = sorted(round(seconds * 1000, 4) for seconds in self._good)
        return Load(
            per_second=self._in_time / self._job.seconds,
            latencies=latencies,
            failed=dict(self._failed),
        )


def _messages(job: Job) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    for text, marks in job.requests:
        body = text.encode()
        head = (
            f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body, tuple(mark.encode() for mark in marks)


def main() -> None:
    job = Job(**json.load(sys.stdin))
    run = Run(job)
    gc.freeze()
    gc.disable()
    print(json.dumps(asdict(run.closed() if job.rate is None else run.open(job.rate))))


if __name__ == "__main__":
    main()
