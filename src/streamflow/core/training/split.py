"""Which keys are held out: decided by the key alone, so that it holds under any row order and in every later month."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np
import polars as pl
from numpy.typing import NDArray


def is_holdout(
    keys: Iterable[str | int] | pl.Series, *, salt: str, share: float
) -> NDArray[np.bool_]:
    """True for the keys on the hold-out side, about `share` of them; shape (n,).

    A key is held out when the first 8 bytes of sha256(salt NUL key), as a big-endian integer, are below share * 2^64. An
    integer key is its decimal text.

    >>> is_holdout(["7590-VHVEG", "5575-GNVDE", "3668-QPYBK"], salt="streamflow", share=0.25).tolist()
    [True, False, False]
    >>> is_holdout(["3668-QPYBK", "7590-VHVEG"], salt="streamflow", share=0.25).tolist()
    [False, True]
    >>> is_holdout([17], salt="s", share=0.5).tolist() == is_holdout(["17"], salt="s", share=0.5).tolist()
    True
    """
    return position(keys, salt=salt) < np.uint64(int(share * 2**64))


def position(keys: Iterable[str | int] | pl.Series, *, salt: str) -> NDArray[np.uint64]:
    """Where the hash puts each key in [0, 2^64), evenly and under any order; shape (n,).

    >>> position(["a", "b"], salt="s").tolist() == position(["b", "a"], salt="s").tolist()[::-1]
    True
    """
    prefix = salt.encode() + b"\x00"
    heads = b"".join(sha256(prefix + str(key).encode()).digest()[:8] for key in keys)
    return np.frombuffer(heads, dtype=">u8").astype(np.uint64)
