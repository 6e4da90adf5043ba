"""Two versions that differ in known ways.

Causes are planted. Decoys are there too: every different level changes, with little effect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from conftest import Cluster

from streamflow.catalog import DEFAULT_PATH
from streamflow.platform import Platform, open_platform
from streamflow.steps.data.migrate import migrate
from streamflow.steps.training.train import TrainReceipt, train
from streamflow.steps.versions.compare import CompareReceipt, compare
from support.chain import JANUARY, copy_drop, load

LABELS, DATA, DEFINITIONS, CONFIGURATION = (
    "data: labels",
    "data: features",
    "features",
    "configuration",
)
CAUSES = (LABELS, DATA, DEFINITIONS, CONFIGURATION)
DROPPED = (
    "months_active",
    "watch_hours_30d",
    "rebuffer_events_7d",
)  # features that are no more, where the definitions are planted
SHUFFLED = {  # those whose values say nothing, where the data are planted
    "subscriptions": ("net_service", "monthly_fee", "plan_stream_tv", "plan_stream_movies"),
    "payments_agg_90d": ("failed_payments_90d",),
    "support_agg_90d": ("support_tickets_90d",),
}
USELESS = "avg_session_mins_7d"

Change = Mapping[str, pl.Expr]


def flipped(one_in: int) -> Change:
    """The labels of one in so many users turned round."""
    churned = pl.col("churn_label") == "True"
    turned = pl.when(pl.int_range(pl.len()) % one_in == 0).then(~churned).otherwise(churned)
    return {"churn_label": pl.when(turned).then(pl.lit("True")).otherwise(pl.lit("False"))}


def shuffled(columns: Iterable[str]) -> Change:
    """Shuffle the values of some columns.

    Each feature keeps its distribution, and tells nothing about its user.
    """
    return {name: pl.col(name).shuffle(seed=number) for number, name in enumerate(columns)}


def catalog_without(path: Path, features: Collection[str], *, ttl_days: int = 62) -> Path:
    """A catalog with fewer features, and with features that get old at a different age."""
    lines = (
        DEFAULT_PATH.read_text(encoding="utf-8")
        .replace("ttl_days = 62", f"ttl_days = {ttl_days}")
        .splitlines()
    )
    found = [line.split(" ")[0] in features for line in lines]
    assert sum(found) == len(features)
    kept = [
        line.partition(", view =")[0] + " }" if gone else line
        for line, gone in zip(lines, found, strict=True)
    ]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One installation, where version 1 is trained on the drop `base` as it is.

    silent   no decoy changes a bit of a prediction, and labels are right: hours are doubled,
             features
             get old at a different age, the bootstrap draws
             less. Without it the decoys are small: 1 label in 1,000 is wrong, hours are rounded, a
             useless
             feature is dropped, the seed is another one
    """

    cluster: Cluster
    installation: str
    home: Path
    base: Path
    trees: int
    silent: bool

    def opened(self, **flags: object) -> AbstractContextManager[Platform]:
        """The installation with other settings."""
        return open_platform(
            self.cluster.settings(self.installation, self.home, **{"trees": self.trees, **flags}),
            must_be_migrated=False,
        )

    def begin(self) -> TrainReceipt:
        """Train version 1."""
        with self.opened() as platform:
            load(platform, self.base, JANUARY)
            return train(platform, JANUARY)

    def compared(self, causes: Collection[str], folder: Path) -> CompareReceipt:
        """Train a version with the planted `causes` and compare it with version 1.

        Every remaining factor is a decoy.
        """
        folder.mkdir()
        with self.opened(
            catalog=self._catalog(causes, folder / "catalog.toml"), **self._settings(causes)
        ) as platform:
            migrate(platform, change_catalog=True)
            load(platform, self._drop(causes, folder / "drop"), JANUARY)
            return compare(platform, "1", str(train(platform, JANUARY).version))

    def _drop(self, causes: Collection[str], to: Path) -> Path:
        hours = pl.col("watch_hours_30d").cast(pl.Float64)
        changed = hours * 2 if self.silent else hours.round(0)
        changes = {
            "usage_agg_30d": {"watch_hours_30d": changed.cast(pl.String)},
            "labels": flipped(3) if LABELS in causes else {} if self.silent else flipped(1000),
        }
        if DATA in causes:
            changes |= {table: shuffled(columns) for table, columns in SHUFFLED.items()}
        return copy_drop(self.base, to, **changes)

    def _catalog(self, causes: Collection[str], path: Path) -> Path:
        useless = () if self.silent else (USELESS,)
        return catalog_without(
            path, (*useless, *DROPPED) if DEFINITIONS in causes else useless, ttl_days=61
        )

    def _settings(self, causes: Collection[str]) -> dict[str, object]:
        if (
            CONFIGURATION in causes
        ):  # a single tree is so fickle that decoys which do something would do much to it
            return {"trees": 1} if self.silent else {"holdout_share": 0.99}
        return {"bootstrap_draws": 200} if self.silent else {"seed": 43}


def percents(receipt: CompareReceipt) -> dict[str, float]:
    """The shares of the change of AUC."""
    auc = receipt.metrics[0]
    assert auc.metric == "auc"
    assert all(share.percent is not None for share in auc.shares), auc
    return {share.cause: share.percent or 0.0 for share in auc.shares}
