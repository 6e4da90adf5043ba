"""Find what runs beside the console: by the settings, and by the stack that is up here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from streamflow.services.processes import web_address
from streamflow.services.programs import PROGRAMS_BY_NAME
from streamflow.services.running_stack import Stack, is_up, local_address, read_running_stack
from streamflow.settings import Settings, inherited_environment
from streamflow.web.service_condition import Condition
from streamflow.web.surroundings import Surroundings

# A page does not wait longer for a service.
ANSWER_TIMEOUT_S = 1.0
# The tools with a page, and the service of `up` that serves it.
SERVICES = {"mlflow": "mlflow", "prefect": "prefect", "feast": "feast-ui", "api": "api"}
PREFECT_API_PATH = "/api"


def make_surroundings(settings: Settings, home: Path) -> Surroundings:
    """Return the functions that look for what runs beside the console."""
    return Surroundings(
        find_api=partial(find_api_address, settings, home),
        list_services=partial(list_services, home),
        find_pages=partial(find_pages, settings, home),
    )


def list_services(home: Path) -> Sequence[Condition] | None:
    """Return the condition of each service of `up`; None: nothing is up here.

    Raises:
        ServiceFailed: the supervisor of the services does not answer
    """
    stack = read_running_stack(home)
    if stack is None:
        return None
    # The package supervisor is in an extra that a console alone does not need.
    from streamflow.services.health import find_conditions
    from streamflow.services.supervision import Supervisor

    supervisor = Supervisor(home, lambda: is_up(home))
    return find_conditions(stack, supervisor, timeout_s=ANSWER_TIMEOUT_S)


def find_api_address(settings: Settings, home: Path) -> str:
    """Return the address at which the API is asked for what it counts."""
    if settings.api_address:
        return settings.api_address
    stack = read_running_stack(home)
    if stack is not None and "api" in stack.ports:
        return stack.url("api")
    return local_address(settings.api_host, settings.api_port) if settings.api_port else ""


def find_pages(settings: Settings, home: Path) -> dict[str, str]:
    """Return the address of each tool's page: of its setting, of `up`, or of the tool's server.

    A service of `up` that listens on every address has 0.0.0.0 or :: as its host.
    """
    pages = {
        "mlflow": settings.mlflow_tracking_uri or "",
        "prefect": _find_prefect_page(),
        "feast": "",
        "api": "",
        "grafana": "",
    }
    stack = read_running_stack(home)
    if stack is not None:
        pages |= _list_stack_pages(stack)
    chosen = {
        "mlflow": settings.mlflow_page,
        "prefect": settings.prefect_page,
        "feast": settings.feast_page,
        "api": settings.api_page,
        "grafana": settings.grafana_page,
    }
    pages |= {tool: page for tool, page in chosen.items() if page}
    return {tool: page for tool, page in pages.items() if page}


def _list_stack_pages(stack: Stack) -> dict[str, str]:
    """Return the pages of the services of `up`, with the host that they are bound to."""
    pages = {}
    for tool, service in SERVICES.items():
        if service in stack.ports:
            path = PROGRAMS_BY_NAME[service].page
            pages[tool] = f"{web_address(stack.host, stack.ports[service])}{path}"
    return pages


def _find_prefect_page() -> str:
    """Return the page of the server that PREFECT_API_URL names; empty: it cannot be told."""
    api = inherited_environment().get("PREFECT_API_URL", "").rstrip("/")
    return api.removesuffix(PREFECT_API_PATH) if api.endswith(PREFECT_API_PATH) else ""
