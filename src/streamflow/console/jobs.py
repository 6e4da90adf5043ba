"""The long work that a console runs: one job at a time, each in a process of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from threading import Lock, Thread
from typing import Any

from streamflow.web.logs import describe

MAX_LINES = 200
MAX_JOBS = 50
JOB_ID_BYTES = 8
NO_RESULT = dict.fromkeys(("problem", "unforeseen"), "its process gave no result")
LOOK_AND_RETRY = "The log of the console has the details. Then start the work again."


class JobRunning(Exception):
    """A different job is running in this console."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


def new_job_id() -> str:
    """Return a new name for a job, as addresses have it."""
    return token_hex(JOB_ID_BYTES)


@dataclass(frozen=True, kw_only=True)
class JobOrder:
    """What a job does.

    kind       the name of the work, such as reproduce
    arguments  of the work, as JSON has them
    subject    what the work is about, for a person
    who        who started it; empty: the login name of the process
    """

    job_id: str = field(default_factory=new_job_id)
    kind: str
    arguments: Mapping[str, Any]
    subject: str
    who: str

    @property
    def values(self) -> dict[str, Any]:
        """Return the order as JSON has it."""
        return asdict(self)


# A message of a job: {"line": text}, {"receipt": values}, or {"problem": text, "remedy": text}. A
# problem that nobody foresaw has "unforeseen", too: what the log says of it.
Message = Mapping[str, Any]
# Runs an order to its end, and passes each message on.
Launch = Callable[[JobOrder, Callable[[Message], None]], None]


def describe_unforeseen(error: Exception) -> Message:
    """Return the message about an error that nobody foresaw. Its own text may name a user."""
    return {
        "problem": f"an unforeseen error ({type(error).__name__})",
        "remedy": LOOK_AND_RETRY,
        "unforeseen": describe(error),
    }


@dataclass(kw_only=True)
class Job:
    """A job and what is known of it so far.

    lines    the newest lines of its progress
    receipt  the receipt of its step, as JSON has it; None before the end
    problem  why it failed; empty: it did not fail
    is_kept  whether the console remembers the job when it has ended
    """

    order: JobOrder
    started_at: datetime
    ended_at: datetime | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_LINES))
    receipt: Mapping[str, Any] | None = None
    problem: str = ""
    remedy: str = ""
    is_kept: bool = True

    def note(self, message: Message) -> None:
        """Take up a message of the job."""
        if "line" in message:
            self.lines.append(str(message["line"]))
        if "receipt" in message:
            self.receipt = message["receipt"]
        if "problem" in message:
            self.problem = str(message["problem"])
            self.remedy = str(message.get("remedy", ""))

    @property
    def is_running(self) -> bool:
        """Return whether the job still runs."""
        return self.ended_at is None


class JobBoard:
    """The jobs of this console. The oldest ones are forgotten.

    Args:
        launch: runs an order to its end.
        on_unforeseen: is called with an order whose work ended as nobody foresaw, and with the
            types and code positions of the error.
        on_forgotten: is called with the id of each job that is forgotten.
    """

    def __init__(
        self,
        launch: Launch,
        on_unforeseen: Callable[[JobOrder, str], None],
        on_forgotten: Callable[[str], None],
    ) -> None:
        self._launch = launch
        self._on_unforeseen = on_unforeseen
        self._on_forgotten = on_forgotten
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()

    def require_idle(self) -> None:
        """Refuse to go on while a job is running.

        Raises:
            JobRunning: a job is running.
        """
        running = self.find_running()
        if running is not None:
            raise JobRunning(running.order.job_id)

    def start(self, order: JobOrder) -> Job:
        """Start a job, and return at once.

        Raises:
            JobRunning: a different job is running.
        """
        with self._lock:
            self.require_idle()
            while len(self._jobs) >= MAX_JOBS:
                self._forget(next(iter(self._jobs)))
            job = Job(order=order, started_at=datetime.now(UTC))
            self._jobs[order.job_id] = job
        Thread(target=self._run, args=(job,), name=f"job {order.kind}", daemon=True).start()
        return job

    def find(self, job_id: str) -> Job | None:
        """Return a job that this console remembers."""
        return self._jobs.get(job_id)

    def find_running(self) -> Job | None:
        """Return the job that is running, if there is one."""
        return next((job for job in list(self._jobs.values()) if job.is_running), None)

    def forget_receipts(self) -> None:
        """Forget each job, because its receipt may name a user: the running one at its end."""
        with self._lock:
            for job in self._jobs.values():
                job.is_kept = False
            self._drop_ended()

    def _drop_ended(self) -> None:
        """Drop the jobs that have ended and are not kept. The caller holds the lock."""
        for job_id, job in list(self._jobs.items()):
            if not job.is_running and not job.is_kept:
                self._forget(job_id)

    def _forget(self, job_id: str) -> None:
        del self._jobs[job_id]
        self._on_forgotten(job_id)

    def _note(self, job: Job, message: Message) -> None:
        """Take up a message of a job, and log what nobody foresaw."""
        if "unforeseen" in message:
            self._on_unforeseen(job.order, str(message["unforeseen"]))
        job.note(message)

    def _run(self, job: Job) -> None:
        try:
            self._launch(job.order, partial(self._note, job))
        except Exception as error:  # noqa: BLE001  # the page of the job and the log show it
            self._note(job, describe_unforeseen(error))
        finally:
            if job.receipt is None and not job.problem:
                self._note(job, {**NO_RESULT, "remedy": LOOK_AND_RETRY})
            with self._lock:
                job.ended_at = datetime.now(UTC)
                self._drop_ended()
