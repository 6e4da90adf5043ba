"""Two versions that differ in known ways: planted causes that move a metric, and decoys that hardly do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from conftest import Cluster

from streamflow.catalog import DEFAULT_PATH
from streamflow.platform import Platform, open_platform
from streamflow.steps.compare import CompareReceipt, compare
from streamflow.steps.migrate import migrate
from streamflow.steps.train import TrainReceipt, train
from support.chain import JANUARY, copy_drop, load

LABELS, DATA, DEFINITIONS, CONFIGURATION = "data: labels", "data: features", "features", "configuration"
CAUSES = (LABELS, DATA, DEFINITIONS, CONFIGURATION)
STRONG = {"subscriptions": ("months_active", "net_service", "monthly_fee"), "payments_agg_90d": ("failed_payments_90d",)}
WEAK = ("avg_session_mins_7d",)  # constant


def flipped(one_in: int) -> Mapping[str, pl.Expr]:
    """The labels of one in so many users turned round."""
    churned = pl.col("churn_label") == "True"
    turned = pl.when(pl.int_range(pl.len()) % one_in == 0).then(~churned).otherwise(churned)
    return {"churn_label": pl.when(turned).then(pl.lit("True")).otherwise(pl.lit("False"))}


def shuffled(columns: Iterable[str]) -> Mapping[str, pl.Expr]:
    """The values of some columns dealt out anew: each feature is what it was, and tells nothing of its user."""
    return {name: pl.col(name).shuffle(seed=number) for number, name in enumerate(columns)}


def rounded(column: str) -> Mapping[str, pl.Expr]:
    """A number without its decimals: nearly the same."""
    return {column: pl.col(column).cast(pl.Float64).round(0).cast(pl.String)}


def catalog_without(path: Path, features: Iterable[str]) -> Path:
    """A catalog in which some columns are no features any more."""
    lines = DEFAULT_PATH.read_text(encoding="utf-8").splitlines()
    gone = tuple(f"{name} " for name in features)
    kept = [line.partition(", view =")[0] + " }" if line.startswith(gone) and ", view =" in line else line for line in lines]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path


def drop_with(causes: Iterable[str], base: Path, to: Path) -> Path:
    """A corrected drop: planted where it is named, decoys elsewhere."""
    changes: dict[str, Mapping[str, pl.Expr] | None] = {"usage_agg_30d": rounded("watch_hours_30d")}
    if DATA in causes:
        changes |= {table: shuffled(columns) for table, columns in STRONG.items()}
    return copy_drop(base, to, labels=flipped(3 if LABELS in causes else 500), **changes)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One installation; version 1 is trained on the drop `base` as it is."""

    cluster: Cluster
    installation: str
    home: Path
    base: Path
    flags: Mapping[str, object]

    def opened(self, **flags: object) -> AbstractContextManager[Platform]:
        """The installation with other settings."""
        return open_platform(self.cluster.settings(self.installation, self.home, **{**self.flags, **flags}), migrated=False)

    def begin(self) -> TrainReceipt:
        """Train version 1."""
        with self.opened() as platform:
            load(platform, self.base, JANUARY)
            return train(platform, JANUARY)

    def compared(self, causes: tuple[str, ...], folder: Path) -> CompareReceipt:
        """Train a version in which `causes` are planted and every other factor is a decoy, and compare it with version 1."""
        gone = [*WEAK, *(STRONG["subscriptions"] if DEFINITIONS in causes else ())]
        settings = {"trees": 1} if CONFIGURATION in causes else {"seed": 43}
        folder.mkdir()
        with self.opened(catalog=catalog_without(folder / "catalog.toml", gone), **settings) as platform:
            migrate(platform)
            load(platform, drop_with(causes, self.base, folder / "drop"), JANUARY)
            version = train(platform, JANUARY).version
            return compare(platform, "1", str(version))
