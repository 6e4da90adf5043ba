"""The rows on which two versions are compared: users that neither version was trained on.

The rows come from the newest drop that has labels. The passports prove which users a version was
trained on: the training keys are derived again from the frozen rows, the split salt and the
hold-out share, and their digest must be the recorded one. The positions of rows play no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.data.counts import count_of
from streamflow.core.statistics.threshold import Threshold
from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import TrainingSet
from streamflow.core.versions.passport import summarize_keys
from streamflow.errors import LabelsMissing, NotRebuildable
from streamflow.platform import Platform
from streamflow.steps.data.engine import open_step_engine
from streamflow.steps.data.frozen_checks import held_against_digests
from streamflow.steps.training.training_set import select_revisions
from streamflow.steps.versions.rebuilt_training_set import (
    assemble_from_revisions,
    read_labelled_keys,
)
from streamflow.steps.versions.recorded_version import (
    count_erased_users,
    platform_with_recorded_catalog,
)
from streamflow.steps.versions.registered_version import RecordedVersion
from streamflow.warehouse import frozen
from streamflow.warehouse.known_drops import TrainingDrops, read_known_drops

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class TrainingUsers:
    """The users that a version was trained on, as proven from its passport.

    Attributes:
        keys: The keys of these users that are still stored.
        salt: The salt of the split into training and hold-out users.
        share: The share of users in the hold-out, from 0 to 1.
        digest: The recorded digest of all training keys.
        erased: The number of training and hold-out users that were erased on request since.
            No row can hold them.
    """

    keys: pl.Series
    salt: str
    share: float
    digest: str
    erased: int

    def unseen(self, keys: pl.Series) -> NDArray[np.bool_]:
        """Return for each of `keys` whether the version was not trained on it; shape (n,)."""
        return ~keys.is_in(self.keys.implode()).to_numpy()


def derive_training_users(platform: Platform, record: RecordedVersion) -> TrainingUsers:
    """Derive the training keys of a version again from the frozen rows of each of its months.

    Raises:
        NotRebuildable: Frozen rows are gone, or the derived keys are not the recorded ones.
    """
    passport = record.passport
    salt = passport.settings["split_salt"]
    share = passport.settings["holdout_share"]
    as_recorded = platform_with_recorded_catalog(platform, passport)
    *_, newest = labelled_by_month = [
        read_labelled_keys(as_recorded, month) for month in passport.months
    ]
    labelled = pl.concat(labelled_by_month).unique().sort()
    keys = labelled.filter(pl.Series(~is_holdout(labelled, salt=salt, share=share)))
    holdout_rows = int(is_holdout(newest, salt=salt, share=share).sum())
    expected = passport.result["training_keys"]
    derived = summarize_keys(keys.cast(pl.String))
    recorded_rows = expected["rows"] + passport.result["holdout_keys"]["rows"]
    erased = recorded_rows - len(keys) - holdout_rows
    # Erased users explain a different digest, but only as many as were really erased.
    if derived != expected and not 0 < erased <= count_erased_users(as_recorded, passport):
        number = record.version.version
        raise NotRebuildable(
            f"the keys that version {number} was trained on cannot be proven: "
            f"{count_of(derived['rows'], 'key was', 'keys were')} derived again, with the digest "
            f"{derived['digest'][:16]}; recorded: {count_of(expected['rows'], 'key')} "
            f"with the digest {expected['digest'][:16]}",
            remedy=f"Run 'streamflow reproduce {number}' to see what drifted.",
        )
    return TrainingUsers(
        keys=keys,
        salt=salt,
        share=share,
        digest=expected["digest"],
        erased=erased,
    )


def find_newest_labelled_drop(platform: Platform, lead: int) -> TrainingDrops:
    """Find the newest drop whose labels, `lead` drops later, are known now.

    Raises:
        LabelsMissing: No drop has such labels.
    """
    known_drops = read_known_drops(platform.connection, platform.catalog)
    drops = known_drops.find_newest_labelled(lead)
    if drops is None:
        raise LabelsMissing(f"no drop has labels that are {count_of(lead, 'drop')} later")
    return drops


def read_drop_rows(
    platform: Platform,
    record: RecordedVersion,
    drops: TrainingDrops,
) -> TrainingSet:
    """Read the rows of a drop with the features of a version, by its recorded definitions.

    Raises:
        NotRebuildable: Rows are gone.
        SnapshotDamaged: The frozen rows are not the recorded ones.
        SnapshotMissing: A revision was changed by `forget` or `prune` while it was read.
        TrainingImpossible: A feature that must not be null has no value.
    """
    as_recorded = platform_with_recorded_catalog(platform, record.passport)
    newest = frozen.revisions(platform.connection, known_at=drops.known_at)
    needed = select_revisions(as_recorded.catalog, newest, drops.as_of, drops.label_as_of)
    sources = frozen.sources(platform.connection, needed)
    label_table = as_recorded.catalog.label.table
    labels = tuple(s for s in sources if s.table == label_table and s.as_of == drops.label_as_of)
    features = tuple(s for s in sources if s not in labels)
    with held_against_digests(
        as_recorded,
        sources,
        state="No version was promoted.",
        engine=open_step_engine(as_recorded),
    ):
        return assemble_from_revisions(as_recorded, drops, features, labels)


@dataclass(frozen=True, kw_only=True)
class UnseenPredictions:
    """Predictions of a version for labelled rows that it has not seen, in the order of the keys.

    Attributes:
        keys: The keys of the users; n of them.
        label: The labels, 0 or 1; shape (n,).
        probability: The predicted probabilities; shape (n,).
        threshold: The probability from which on the version predicts 1; None: it never does.
        trained_on: The users that the version was trained on.
    """

    keys: pl.Series
    label: NDArray[np.int8]
    probability: NDArray[np.float64]
    threshold: Threshold
    trained_on: TrainingUsers

    def only(self, keys: pl.Series) -> UnseenPredictions:
        """Return the predictions for those users that are in `keys`."""
        is_shared = self.keys.is_in(keys.implode())
        positions = is_shared.to_numpy()
        return UnseenPredictions(
            keys=self.keys.filter(is_shared),
            label=self.label[positions],
            probability=self.probability[positions],
            threshold=self.threshold,
            trained_on=self.trained_on,
        )


def predict_unseen(
    platform: Platform,
    record: RecordedVersion,
    drops: TrainingDrops,
    predictor: Predictor,
) -> UnseenPredictions:
    """Predict with a version for those rows of a drop whose users it was not trained on.

    Raises:
        NotRebuildable: Rows are gone, or the training keys cannot be proven.
        TrainingImpossible: A feature that must not be null has no value.
    """
    training_users = derive_training_users(platform, record)
    rows = read_drop_rows(platform, record, drops)
    keys = rows.frame[rows.key]
    unseen = training_users.unseen(keys)
    unseen_rows = pl.Series(unseen)
    return UnseenPredictions(
        keys=keys.filter(unseen_rows),
        label=rows.labels[unseen],
        probability=predictor.probability(rows.matrix.filter(unseen_rows)),
        threshold=predictor.threshold,
        trained_on=training_users,
    )
