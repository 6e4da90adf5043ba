"""Import skops without its search for estimators, which takes most of the import."""

from __future__ import annotations

from types import ModuleType


def import_skops() -> ModuleType:
    """Return the module `skops.io`.

    When skops is imported, it searches all modules of scikit-learn for estimators, in order to
    trust each of them by default. `models/model_file.py` names the few types that we need, so the
    search is skipped. It has taken place if something else imported skops before.
    """
    import sklearn.utils

    search = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = _find_no_estimators
    try:
        import skops.io
    finally:
        sklearn.utils.all_estimators = search
    module: ModuleType = skops.io
    return module


def _find_no_estimators() -> list[tuple[str, type]]:
    """Stand in for the search."""
    return []
