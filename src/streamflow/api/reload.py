"""The model version that answers, and how it follows the registry.

A thread asks the registry, and loads and checks a new version there, beside the requests. Then the
version is swapped as a whole.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Literal

from streamflow.database import translate_errors
from streamflow.errors import StreamflowError, VersionMissing
from streamflow.models.trial_process import TrialProcess
from streamflow.packages import explain_missing_package
from streamflow.platform import Platform, require_migrated
from streamflow.runtime import code_digest
from streamflow.steps.serving.serving_version import Serving, load_serving_version
from streamflow.steps.stages.transitions import ProductionStatus, production_status

# The API serves a change within 5 s: this interval, the answer of the registry and the loading.
POLL_INTERVAL_S = 1.0

# A question to the registry that takes longer than this is reported in a note.
SLOW_S = 5.0

# How long a new worker takes no requests while it has no version.
FIRST_VERSION_TIMEOUT_S = 20.0

# How long the API waits before it tries again to load a version that could not be loaded.
RETRY_INTERVAL_S = 10.0

REGISTRY_UNREACHABLE = "the registry cannot be asked"


@dataclass(frozen=True, kw_only=True)
class ServedVersion:
    """The version that answers now, and why no different one does.

    It is replaced as a whole, so that a reader never sees half of a change.

    Attributes:
        serving: the version that answers; None if there is none
        since: since when the version is in Production, by the ledger; None if the ledger does not
            know it yet
        loaded: since when this process answers with it
        refused: why the version that should answer does not; then `serving` goes on
        notes: where the ledger, the stages and the aliases contradict each other
    """

    serving: Serving | None = None
    since: datetime | None = None
    loaded: datetime | None = None
    refused: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What the API can do at one instant.

    Attributes:
        reasons: why no prediction can be made now; empty if one can
        notes: what somebody should check, although the API serves its version
        current: the version that answers
        as_of: the instant that the oldest live features describe
        waiting: how many ids wait for an answer
        pool: the statistics of the connection pool
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    current: ServedVersion
    as_of: datetime | None
    waiting: int
    pool: dict[str, int]


class RegistryFollower:
    """Asks the registry every second in its own thread, so that no request waits for it.

    Args:
        platform: the platform of the API
        count: called with each version that answers from now on, or is refused
        trial: a process that was started early to try the first version; None: it is started later
    """

    def __init__(
        self,
        platform: Platform,
        count: Callable[[Literal["swapped", "refused"], int], None],
        *,
        trial: TrialProcess | None = None,
    ) -> None:
        self.current = ServedVersion(refused="the version in Production is being looked up")
        self._platform = platform
        self._count = count
        self._first_trial = trial
        self._stopping = Event()
        self._has_asked = Event()
        self._is_migrated = False
        # When the question that has no answer yet was asked.
        self._asked_at: float | None = None
        # A version that could not be loaded, when it was tried, and why it is refused.
        self._failed_load: tuple[int, float, str] | None = None
        self._thread = Thread(target=self._follow_registry, name="reload", daemon=True)

    def start(self) -> None:
        """Start the thread that asks the registry."""
        self._thread.start()

    async def wait_for_first_answer(self) -> None:
        """Wait until the registry was asked once, at most FIRST_VERSION_TIMEOUT_S."""
        await asyncio.to_thread(self._has_asked.wait, FIRST_VERSION_TIMEOUT_S)

    def stop(self) -> None:
        """Ask the registry no more. A question without an answer ends with the process."""
        self._stopping.set()

    @property
    def slowness_notes(self) -> tuple[str, ...]:
        """Return a note while the registry takes long to answer.

        A network that is down can delay an answer for minutes.
        """
        asked_at = self._asked_at
        if asked_at is None:
            return ()
        waited_s = time.monotonic() - asked_at
        if waited_s <= SLOW_S:
            return ()
        return (f"the registry was asked {waited_s:.0f} s ago and has not answered",)

    def serving(self) -> Serving:
        """Return the version that answers. Raises VersionMissing."""
        current = self.current
        if current.serving is None:
            raise VersionMissing(current.refused)
        return current.serving

    def _follow_registry(self) -> None:
        while not self._stopping.is_set():
            self._asked_at = time.monotonic()
            try:
                self._update()
            except StreamflowError as error:
                self._note_failure(f"{REGISTRY_UNREACHABLE}: {error.message}")
            # Without this, an unforeseen error would end the thread, and the last state would
            # stay for ever.
            except Exception as error:  # noqa: BLE001
                self._note_failure(f"{REGISTRY_UNREACHABLE}: {type(error).__name__}")
            self._asked_at = None
            self._has_asked.set()
            self._end_first_trial()
            # The server starts without the garbage collector, because half of the objects that it
            # makes at its start live as long as the process.
            gc.enable()
            self._stopping.wait(POLL_INTERVAL_S)

    def _note_failure(self, note: str) -> None:
        """Keep the version that answers, and add a note. The next question may replace the note."""
        refused = "" if self.current.serving else note
        self.current = replace(self.current, notes=(note,), refused=refused)

    def _update(self) -> None:
        """Ask the registry which version is in Production, and load it if it is a new one."""
        self._platform.forget_lost_connection()
        with translate_errors(self._platform.login):
            self._require_migrated()
            holder = production_status(self._platform)
            current = self.current
            version = holder.version
            if version is None:
                refused = f"no version of {self._platform.catalog.model} is in Production"
                self.current = ServedVersion(refused=refused, notes=holder.notes)
            elif current.serving is not None and current.serving.version == version:
                self.current = replace(current, since=holder.since, refused="", notes=holder.notes)
            elif refused := self._recent_refusal(version):
                self.current = replace(current, refused=refused, notes=holder.notes)
            else:
                self._load(version, holder)

    def _require_migrated(self) -> None:
        """Check the schema once. At the start PostgreSQL may have been unreachable."""
        if not self._is_migrated:
            require_migrated(self._platform)
            self._is_migrated = True

    def _recent_refusal(self, version: int) -> str:
        """Return why this version could not be loaded a short time ago; empty: it was not tried.

        What is served may have changed since, and an error of the registry may have been shown.
        """
        if self._failed_load is None:
            return ""
        failed_version, failed_at, refused = self._failed_load
        is_recent = time.monotonic() < failed_at + RETRY_INTERVAL_S
        return refused if failed_version == version and is_recent else ""

    def _load(self, version: int, holder: ProductionStatus) -> None:
        try:
            serving = self._load_tried(version)
        # Whatever the error is: the former version goes on, and the error is shown and counted.
        except Exception as error:  # noqa: BLE001
            reason = _describe_reason(error)
            refused = f"version {version} is in Production and cannot be served: {reason}"
            self._failed_load = version, time.monotonic(), refused
            self.current = replace(self.current, refused=refused, notes=holder.notes)
            self._count("refused", version)
            return
        # Both are computed at their first use. Do it here, so that no request waits for them.
        _ = serving.policy
        code_digest()
        if self.current.serving is None:
            # From now on the garbage collector skips all objects that libraries have made so far.
            # To look through them holds up requests for 0.2 s.
            gc.freeze()
        self._failed_load = None
        self.current = ServedVersion(
            serving=serving,
            since=holder.since,
            loaded=datetime.now(UTC),
            notes=holder.notes,
        )
        self._count("swapped", version)
        # The version answers already. From here on it answers faster, with the same bits.
        self.current = replace(self.current, serving=serving.prepare_for_requests())

    def _load_tried(self, version: int) -> Serving:
        """Load a version after a process of its own has tried it, unless the setting is off.

        The trial compares it with scikit-learn, which then this process does not import.
        """
        trial, self._first_trial = self._first_trial, None
        if trial is None and self._platform.settings.api_trial == "on":
            trial = TrialProcess()
        try:
            return load_serving_version(
                self._platform,
                self._platform.models.version(version),
                trial=trial,
                as_arrays=trial is not None,
            )
        finally:
            if trial is not None:
                trial.close()

    def _end_first_trial(self) -> None:
        """End the process that waits for a first version: there is none to try now."""
        if self._first_trial is not None:
            self._first_trial.close()
            self._first_trial = None


def _describe_reason(error: Exception) -> str:
    """Return why a version cannot be loaded, for clients: only our own errors have their text."""
    explained: Exception | None = None
    if isinstance(error, ModuleNotFoundError):
        explained = explain_missing_package(error)
    shown = explained or error
    return shown.message if isinstance(shown, StreamflowError) else type(shown).__name__
