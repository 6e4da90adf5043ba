"""Import skops without its searches for types, which take most of the import."""

from __future__ import annotations

import sys
from threading import Lock
from types import ModuleType

#: Of two threads that replace a function at once, the second would put back the replacement.
_REPLACING = Lock()


def import_skops() -> ModuleType:
    """Return the module `skops.io`.

    When skops is imported, it searches all modules of scikit-learn for estimators, and every
    imported module for the functions of numpy and scipy, in order to trust each of them by
    default. `models/model_file.py` names the few types that we need, so the searches are skipped.
    They have taken place if something else imported skops before.
    """
    import sklearn.utils

    with _REPLACING:
        search = sklearn.utils.all_estimators
        sklearn.utils.all_estimators = _find_no_estimators
        try:
            import skops.io
        finally:
            sklearn.utils.all_estimators = search
    module: ModuleType = skops.io
    return module


def _find_no_estimators() -> list[tuple[str, type]]:
    """Stand in for the search of estimators, and skip the search of functions that comes next."""
    module = sys.modules["skops.io._trusted_types"]
    module.get_public_type_names = _find_no_functions  # type: ignore[attr-defined]
    return []


def _find_no_functions(**_: object) -> list[str]:
    """Stand in for the search of functions."""
    return []
