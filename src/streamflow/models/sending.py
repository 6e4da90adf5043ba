"""Let a predictor be pickled, so that it can be sent to another process of ours.

It is only for predictors that were loaded from checked files. A worker of the engine loads what the
command sent. No file of a model is a pickle.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any


def allow_sending() -> None:
    """Let pickle copy the trees of treelite, which are memory of a C library."""
    import treelite

    copyreg.pickle(treelite.Model, _reduce)


def _reduce(model: Any) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
    return _restore, (model.serialize_bytes(),)


def _restore(content: bytes) -> Any:
    import treelite

    return treelite.Model.deserialize_bytes(content)
