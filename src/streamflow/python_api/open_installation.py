"""An open installation: its settings, the server that it keeps running, and its sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from streamflow.errors import SettingsInvalid, StreamflowError
from streamflow.python_api.sessions import PROCESS_LOCK, open_session
from streamflow.settings import InstallationSettings, Settings, override_settings

if TYPE_CHECKING:
    from streamflow.platform import Platform


class OpenInstallation:
    """What all methods of an installation share. Each room of steps adds its methods to it.

    Between two calls an installation holds nothing but the embedded PostgreSQL, so that the next
    call does not have to start it.
    """

    def __init__(self, settings: Settings, notify: Callable[[str], None]) -> None:
        self._settings = settings
        self._notify = notify
        self._held_server = ExitStack()
        self._holds_server = False
        self._is_closed = False

    def __repr__(self) -> str:
        state = ", closed" if self._is_closed else ""
        return f"<streamflow installation in {self.home}{state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _class: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the embedded PostgreSQL go. It stops if no different process uses it."""
        with PROCESS_LOCK:
            self._is_closed = True
            self._held_server.close()

    @property
    def home(self) -> Path:
        """The state folder as an absolute path."""
        return self._settings.home

    @contextmanager
    def environment(self) -> Iterator[dict[str, str]]:
        """Let MLflow, Feast and clients of PostgreSQL in this process use this installation.

        No step runs in a different thread meanwhile.

        Yields:
            the variables that are set.
        """
        from streamflow.models.mlflow_client import lend_store

        with self._session() as platform, lend_store(platform.tracking_uri):
            yield platform.environment

    @contextmanager
    def _session(
        self, changes: Mapping[str, Any] | None = None, *, migrated: bool = True
    ) -> Iterator[Platform]:
        """Open the platform for one step.

        Args:
            changes: settings that differ in this step alone.
            migrated: whether the database must have the newest schema.

        Raises:
            StreamflowError: the installation was closed.
            SettingsInvalid: one of `changes` is no setting of a step, or cannot be used.
        """
        settings = self._settings
        if changes:
            _refuse_other_installation(changes)
            settings = override_settings(settings, **changes)
        with PROCESS_LOCK:
            if self._is_closed:
                raise StreamflowError(
                    f"the installation in {self.home} was closed",
                    remedy="Call streamflow.open() again.",
                )
            with open_session(settings, self._notify, must_be_migrated=migrated) as platform:
                self._hold_server(platform)
                yield platform

    def _hold_server(self, platform: Platform) -> None:
        """Keep the embedded server running after this step, too."""
        from streamflow.database import attach

        if platform.attachment is not None and not self._holds_server:
            self._held_server.enter_context(attach(self.home))
            self._holds_server = True


def _refuse_other_installation(changes: Mapping[str, Any]) -> None:
    """Raise SettingsInvalid for a setting of the installation: a step works in the open one."""
    names = sorted(changes.keys() & InstallationSettings.model_fields)
    if names:
        raise SettingsInvalid(
            f"{', '.join(names)}: a setting of the installation cannot differ in one step",
            remedy="Give it to streamflow.open().",
        )
