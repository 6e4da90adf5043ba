"""The months of a training set of many months: which drops, and the K of each."""

from __future__ import annotations

from streamflow.core.data.counts import count_of
from streamflow.errors import LabelsMissing
from streamflow.platform import Platform
from streamflow.warehouse import late_data
from streamflow.warehouse.known_drops import KnownDrops, TrainingDrops


def find_months(
    platform: Platform, known_drops: KnownDrops, newest: TrainingDrops, count: int
) -> list[TrainingDrops]:
    """Find the last labelled drops up to `newest`, the oldest first, each with its own K.

    Raises:
        ValueError: `count` is less than 1.
        LabelsMissing: there are fewer than `count`.
    """
    if count < 1:
        raise ValueError(f"months: expected 1 or more, got {count}")
    if count == 1:
        return [newest]
    first_known = late_data.all_first_known(platform.connection)
    months = known_drops.find_months(newest, count, first_known)
    if len(months) < count:
        with_lead = f" with --label-lead {newest.label_lead}" if newest.label_lead else ""
        raise LabelsMissing(
            f"--months {count}: up to {newest.as_of:%Y-%m-%d} only"
            f" {count_of(len(months), 'drop has', 'drops have')} labels{with_lead}",
            remedy=f"Ask for --months {len(months)}, or load and freeze earlier drops.",
        )
    return months
