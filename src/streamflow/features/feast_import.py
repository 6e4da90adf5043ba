"""Feast without typeguard: what it costs to import falls from 3.9 to 1.4 s of CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typeguard


@contextmanager
def unchecked() -> Iterator[None]:
    """Import Feast within it: its decorators leave functions as they are, as they do under `python -O`.

    typeguard parses the whole module again for each method of Feast's four decorated classes, to check at run time the types
    of what we hand over; its own words are that the checks are not meant for production.
    """
    before = typeguard.typechecked
    typeguard.typechecked = _as_it_is
    try:
        yield
    finally:
        typeguard.typechecked = before


def _as_it_is(target: Any = None, **_: Any) -> Any:
    """`@typechecked` and `@typechecked(…)`."""

    def given(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    return given if target is None else target
