"""Import Feast without typeguard. The import then takes 1.4 s of CPU instead of 3.9 s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typeguard


@contextmanager
def without_typeguard() -> Iterator[None]:
    """Disable typeguard's decorator while Feast is imported.

    Feast's decorated functions then stay as they are, as they do under `python -O`.

    For each method of Feast's four decorated classes typeguard parses the whole module again, to
    check the types of our arguments at run time. Its own documentation says that these checks are
    not meant for production.
    """
    original = typeguard.typechecked
    typeguard.typechecked = _skip_type_checks
    try:
        yield
    finally:
        typeguard.typechecked = original


def _skip_type_checks(target: Any = None, **_: Any) -> Any:
    """Stand in for `@typechecked` and `@typechecked(…)`, and return the target unchanged."""

    def return_unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    return return_unchanged if target is None else target
