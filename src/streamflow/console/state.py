"""What all pages of the console share: the platform, connections that only read, log-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from fastapi import Request
from structlog.typing import FilteringBoundLogger

from streamflow.console.exports import ExportFolder
from streamflow.console.form_numbers import FormNumbers
from streamflow.console.job_process import ChildProcesses
from streamflow.console.jobs import JobBoard, JobOrder
from streamflow.console.sessions import COOKIE, Sessions, Visitor, make_cookie, make_visitor
from streamflow.console.texts import Texts, load_texts
from streamflow.core.serving.api_keys import Scope
from streamflow.database.reading_pool import open_reading_pool, take_reading_connection
from streamflow.errors import Overloaded
from streamflow.platform import Platform, open_platform
from streamflow.steps.lineage.observer import StepReporter
from streamflow.web.active_keys import KeyRing
from streamflow.web.request_context import notes_of
from streamflow.web.request_keys import read_key
from streamflow.web.surroundings import Surroundings

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

    from streamflow.steps.serving.explain import ExplainedPrediction
    from streamflow.steps.serving.serving_version import Serving

STATEMENT_LIMIT_S = 10.0
# How long a change waits for a different one of the same console.
ACTION_WAIT_S = 60.0


class LoginNeeded(Exception):
    """A page needs a person who is logged in."""


class ScopeTooSmall(Exception):
    """The key of the person does not allow what was asked for."""

    def __init__(self, required: Scope) -> None:
        super().__init__(required)
        self.required = required


@dataclass(kw_only=True)
class ConsoleState:
    """What all pages share.

    keys              the API keys; None where no key is required
    pool              connections of the console's own role, which can only read
    jobs              the long work that this console runs
    exports           the files of exported versions
    find_flow_server  returns the address of the API of Prefect's server; empty: there is none
    surroundings      looks for the API, the services of `up` and the pages of the tools
    """

    platform: Platform
    keys: KeyRing | None
    sessions: Sessions
    pool: ConnectionPool
    jobs: JobBoard
    exports: ExportFolder
    find_flow_server: Callable[[], str] = str
    surroundings: Surroundings = field(default_factory=Surroundings)
    texts: Texts = field(default_factory=load_texts)
    form_numbers: FormNumbers = field(default_factory=FormNumbers)
    _acting_lock: Lock = field(default_factory=Lock)
    _serving: Serving | None = None
    _serving_lock: Lock = field(default_factory=Lock)

    @contextmanager
    def reading(self) -> Iterator[Platform]:
        """Yield the platform with a connection of this request, for steps that only read."""
        with take_reading_connection(self.pool) as connection:
            yield replace(self.platform, _connections=[connection])

    @contextmanager
    def reading_versions(self) -> Iterator[Platform]:
        """Yield the platform as `reading` does, with the one registry that all requests share."""
        with self.reading() as platform:
            # A registry for each request would leave one behind each time.
            platform.__dict__["models"] = self.platform.models
            yield platform

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one step at a time open a platform of its own, which sets the environment.

        Raises:
            Overloaded: a different change of this console takes too long.
        """
        if not self._acting_lock.acquire(timeout=ACTION_WAIT_S):
            raise Overloaded("a different change is still running in this console")
        try:
            yield
        finally:
            self._acting_lock.release()

    @contextmanager
    def acting(self) -> Iterator[Platform]:
        """Yield the platform as the command line has it, for a step that may change something."""
        settings = self.platform.settings
        with self.alone(), open_platform(settings, observer=StepReporter()) as platform:
            yield platform

    def find_visitor(self, request: Request) -> Visitor:
        """Return who asks; a browser without a cookie gets a new one by the answer.

        A program may send a key in its headers, as to the API.
        """
        cookie = request.cookies.get(COOKIE) or make_cookie()
        if self.keys is None:
            return Visitor(cookie=cookie, name="local", scope="admin")
        if not self.keys.is_trusted:
            # The keys could not be read for minutes: one of them may be revoked by now.
            return Visitor(cookie=cookie)
        key_text = read_key(request.scope)
        if not key_text:
            return self.sessions.find_visitor(cookie, datetime.now(UTC), self.keys.find_id)
        key = self.keys.find(key_text)
        return make_visitor(cookie, key)

    def require(self, request: Request, scope: Scope = "read") -> Visitor:
        """Return who asks, if the person may do what the scope allows.

        Raises:
            LoginNeeded: nobody is logged in.
            ScopeTooSmall: the key of the person does not cover the scope.
        """
        visitor = self.find_visitor(request)
        notes_of(request).caller = visitor.key_id
        if visitor.scope is None:
            raise LoginNeeded
        if not visitor.may(scope):
            raise ScopeTooSmall(scope)
        return visitor

    def explain(self, platform: Platform, key: str, now: datetime) -> ExplainedPrediction:
        """Explain today's answer about a user, as the command `explain` does.

        The first call loads the version in Production, which takes some seconds.

        Args:
            platform: as `reading_versions` yields it
        """
        from streamflow.steps.serving.explain import explain_live_row

        return explain_live_row(platform.connection, self._load_serving(platform), key, now=now)

    def _load_serving(self, platform: Platform) -> Serving:
        from streamflow.steps.serving.serving_version import load_serving
        from streamflow.steps.stages.transitions import version_in_stage

        with self._serving_lock:
            version = version_in_stage(platform)
            loaded = self._serving
            is_current = loaded and version and loaded.run_id == version.run_id
            if loaded is None or not is_current:
                loaded = load_serving(platform)
                self._serving = loaded
            return loaded


@contextmanager
def open_state(
    platform: Platform,
    keys: KeyRing | None,
    log: FilteringBoundLogger,
    *,
    find_flow_server: Callable[[], str] = str,
    surroundings: Surroundings | None = None,
    processes: ChildProcesses | None = None,
) -> Iterator[ConsoleState]:
    """Open what the pages share, and close it at the end.

    Args:
        platform: as the role of the console
        keys: the API keys; None where no key is required
        log: gets a line about each job that ended as nobody foresaw
        find_flow_server: returns the address of the API of Prefect's server; empty: there is none
        surroundings: look for what runs beside the console; None: nothing is known of it
        processes: run the jobs; None: with no setting but those of the environment
    """
    with ExitStack() as closing:
        pool = open_reading_pool(
            platform.address,
            application="streamflow-console",
            time_limit=STATEMENT_LIMIT_S,
        )
        pool.open()
        closing.callback(pool.close)
        exports = ExportFolder(platform.home)
        exports.clear()
        closing.callback(exports.clear)
        processes = processes or ChildProcesses({})
        closing.callback(processes.close)
        sessions = Sessions(hours=platform.settings.console_session_hours)
        yield ConsoleState(
            platform=platform,
            keys=keys,
            sessions=sessions,
            pool=pool,
            jobs=_make_jobs(processes, exports, log),
            exports=exports,
            find_flow_server=find_flow_server,
            surroundings=surroundings or Surroundings(),
        )


def _make_jobs(
    processes: ChildProcesses,
    exports: ExportFolder,
    log: FilteringBoundLogger,
) -> JobBoard:
    return JobBoard(
        processes.launch,
        on_unforeseen=partial(_log_unforeseen, log),
        on_forgotten=exports.remove,
    )


def _log_unforeseen(log: FilteringBoundLogger, order: JobOrder, description: str) -> None:
    log.error("job", job=order.job_id, kind=order.kind, exception=description)
