"""Run the console with uvicorn, in one process, until a signal arrives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from structlog.typing import FilteringBoundLogger

from streamflow.console.app import create_app
from streamflow.console.job_process import ChildProcesses
from streamflow.console.state import open_state
from streamflow.database import connect
from streamflow.errors import SettingsInvalid
from streamflow.platform import Platform
from streamflow.settings import Settings
from streamflow.web.active_keys import KeyRing
from streamflow.web.client_timeouts import set_client_timeout
from streamflow.web.host_check import is_loopback
from streamflow.web.key_requirement import keys_are_needed
from streamflow.web.logs import open_log
from streamflow.web.surroundings import Surroundings
from streamflow.web.uvicorn_server import list_options, run_one_process


def require_keys_off_loopback(settings: Settings, host: str) -> None:
    """Refuse to show users to everybody who can reach the address.

    Raises:
        SettingsInvalid: the address is not of loopback, and no key is required.
    """
    if not is_loopback(host) and not keys_are_needed(settings, host):
        raise SettingsInvalid(
            f"the console would show every user to whoever reaches {host}, because api_auth is off",
            remedy="Set api_auth to auto or on, or bind the console to 127.0.0.1.",
        )


def serve_console(
    platform: Platform,
    host: str,
    port: int,
    *,
    find_flow_server: Callable[[], str],
    surroundings: Surroundings,
    processes: ChildProcesses,
) -> None:
    """Serve the console until a signal arrives.

    Args:
        platform: as the role of the console
        host: the address to bind to
        port: the port
        find_flow_server: returns the address of the API of Prefect's server; empty: there is none
        surroundings: look for what runs beside the console
        processes: run the jobs; it was made before the platform was opened
    """
    settings = platform.settings
    require_keys_off_loopback(settings, host)
    set_client_timeout(settings.api_client_limit)
    log = open_log(settings.log_format, settings.log_level)
    with ExitStack() as closing:
        keys = _open_keys(platform, host, log, closing)
        state = closing.enter_context(
            open_state(
                platform,
                keys,
                log,
                find_flow_server=find_flow_server,
                surroundings=surroundings,
                processes=processes,
            )
        )
        options = list_options(host, port, settings.log_level)
        run_one_process(create_app(state, log, host=host), options)


def _open_keys(
    platform: Platform,
    host: str,
    log: FilteringBoundLogger,
    closing: ExitStack,
) -> KeyRing | None:
    """Read the API keys from now on; None where nobody has to log in."""
    settings = platform.settings
    is_key_needed = keys_are_needed(settings, host)
    log.info(
        "people log in with an API key" if is_key_needed else "nobody has to log in",
        setting=settings.api_auth,
        bound_to=host,
    )
    if not is_key_needed:
        return None
    open_connection = partial(connect, platform.address, autocommit=True)
    return closing.enter_context(KeyRing(open_connection, log.warning).keep_reading())
