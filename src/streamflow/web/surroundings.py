"""What runs beside a service: the other services of `up`, the API, and the tools' pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streamflow.web.service_condition import Condition


def _list_nothing() -> None:
    """Say that no services of `up` are known here."""


@dataclass(kw_only=True)
class Surroundings:
    """Functions that read the current state at each call.

    find_api       returns the address of the API, as this machine reaches it; empty: none is known
    list_services  returns the services of `up`; None: `up` does not run here
    find_pages     returns the address of each tool's page, as the installation knows it
    """

    find_api: Callable[[], str] = str
    list_services: Callable[[], Sequence[Condition] | None] = _list_nothing
    find_pages: Callable[[], Mapping[str, str]] = dict
