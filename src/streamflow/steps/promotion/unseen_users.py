"""The rows on which two versions can be judged: of the newest labelled drop, those whose users neither was trained on.

That is proven from the passports: the training keys are derived again from the frozen rows, the salt and the share, and their
digest must be the recorded one. Positions of rows play no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streamflow.core.training.split import is_holdout
from streamflow.core.training.training_set import TrainingSet, label_as_of
from streamflow.core.versions.passport import keys_result
from streamflow.errors import LabelsMissing, NotRebuildable
from streamflow.platform import Platform
from streamflow.steps.training.training_set import Drops, revisions_read
from streamflow.steps.versions.rebuilt_training_set import labelled_keys, set_of
from streamflow.steps.versions.recorded_version import Recorded, erased_users, with_catalog
from streamflow.warehouse import frozen

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """The users that a version was trained on, as proven.

    erased   how many of them, and of its hold-out, were erased on request since: they can be on no row
    """

    keys: pl.Series
    salt: str
    share: float
    digest: str
    erased: int

    def unseen(self, keys: pl.Series) -> NDArray[np.bool_]:
        """Which of `keys` it was not trained on; shape (n,)."""
        return ~keys.is_in(self.keys.implode()).to_numpy()


def trained_on(platform: Platform, record: Recorded) -> TrainedOn:
    """Derive the training keys of a version again.

    Raises NotRebuildable when frozen rows are gone, or when the keys are not the recorded ones.
    """
    passport = record.passport
    settings = passport.settings
    salt, share = settings["split_salt"], settings["holdout_share"]
    then = with_catalog(platform, passport)
    labelled = labelled_keys(then, passport)
    keys = labelled.filter(pl.Series(~is_holdout(labelled, salt=salt, share=share)))
    wanted, found = passport.result["training_keys"], keys_result(keys.cast(pl.String))
    erased = wanted["rows"] + passport.result["holdout_keys"]["rows"] - len(labelled)
    if found != wanted and not 0 < erased <= erased_users(then, passport):
        raise NotRebuildable(
            f"the keys that version {record.version.version} was trained on cannot be proven: derived again, {found['rows']}"
            f" keys have the digest {found['digest'][:16]}, recorded are {wanted['rows']} with {wanted['digest'][:16]}",
            remedy=f"Run 'streamflow reproduce {record.version.version}' to see what drifted.",
        )
    return TrainedOn(keys=keys, salt=salt, share=share, digest=wanted["digest"], erased=erased)


def newest_labelled(platform: Platform, lead: int) -> Drops:
    """The newest drop whose labels, `lead` drops later, are known now. Raises LabelsMissing when there is none."""
    catalog, k = platform.catalog, frozen.known_now(platform.connection)
    newest = frozen.revisions(platform.connection, known_at=k)
    drops = sorted({r.as_of for r in newest if r.table == catalog.entity.table})
    labelled = {r.as_of for r in newest if r.table == catalog.label.table}
    for as_of in reversed(drops):
        at = label_as_of(as_of, lead, drops)
        if at is not None and at in labelled:
            return Drops(as_of=as_of, label_as_of=at, label_lead=lead, known_at=k)
    raise LabelsMissing(f"no drop has labels {lead} drops later")


def rows_for(platform: Platform, record: Recorded, when: Drops) -> TrainingSet:
    """The rows of a drop with the features of a version, as its recorded definitions read them.

    Raises NotRebuildable when rows are gone, TrainingImpossible where a feature that is never null has no value.
    """
    then = with_catalog(platform, record.passport)
    newest = frozen.revisions(platform.connection, known_at=when.known_at)
    sources = frozen.sources(
        platform.connection, revisions_read(then.catalog, newest, when.as_of, when.label_as_of)
    )
    labels = tuple(
        s for s in sources if s.table == then.catalog.label.table and s.as_of == when.label_as_of
    )
    return set_of(then, when, tuple(s for s in sources if s not in labels), labels)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a version says of labelled rows that it has not seen: in the order of the keys."""

    keys: pl.Series
    label: NDArray[np.int8]
    probability: NDArray[np.float64]
    threshold: float
    trained_on: TrainedOn

    def only(self, keys: pl.Series) -> Judged:
        """The same for those of `keys` alone."""
        inside = self.keys.is_in(keys.implode())
        kept = inside.to_numpy()
        return Judged(
            keys=self.keys.filter(inside),
            label=self.label[kept],
            probability=self.probability[kept],
            threshold=self.threshold,
            trained_on=self.trained_on,
        )


def judged(platform: Platform, record: Recorded, when: Drops, predictor: Predictor) -> Judged:
    """Ask a version for the rows of a drop whose users it was not trained on.

    Raises NotRebuildable, TrainingImpossible.
    """
    known, rows = trained_on(platform, record), rows_for(platform, record, when)
    keys = rows.frame[rows.key]
    unseen = known.unseen(keys)
    return Judged(
        keys=keys.filter(pl.Series(unseen)),
        label=rows.labels[unseen],
        probability=predictor.probability(rows.matrix.filter(pl.Series(unseen))),
        threshold=predictor.threshold,
        trained_on=known,
    )
