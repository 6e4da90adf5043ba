"""Import skops without its search for estimators. The import then takes 2 s of CPU less."""

from __future__ import annotations

from types import ModuleType


def import_skops() -> ModuleType:
    """Return the module `skops.io`, which trusts no estimator by itself.

    When skops is imported, it searches all modules of scikit-learn for estimators, in order to
    trust each of them by default. `models/model_file.py` names the few types that we trust, so
    the search is skipped. A file with a different estimator of scikit-learn is refused.
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
