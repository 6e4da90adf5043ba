"""Which rows of many months cross-validation learns from, and on which it judges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamflow.models import pipelines


@dataclass(frozen=True, kw_only=True)
class ForwardMonths:
    """Which rows are of the newest month, and which of the months that were known before it.

    Attributes:
        is_newest: (n,)
        is_before: (n,) not of a month whose labels are dated later than the newest month.
    """

    is_newest: NDArray[np.bool_]
    is_before: NDArray[np.bool_]

    def only(self, rows: NDArray[np.bool_]) -> ForwardMonths:
        """Return the same for some of the rows."""
        return ForwardMonths(is_newest=self.is_newest[rows], is_before=self.is_before[rows])

    def require_both_classes(self, label: NDArray[np.int8]) -> None:
        """Raise TrainingImpossible unless the newest month and those before have both classes."""
        learned_name = "the training side of the months before"
        judged_name = "the newest month of the training side"
        pipelines.require_both_classes(label[self.is_before], name=learned_name)
        pipelines.require_both_classes(label[self.is_newest], name=judged_name)
