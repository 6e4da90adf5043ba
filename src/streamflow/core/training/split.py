"""Which keys are held out from training.

The key alone decides, so that the split is the same under any row order and in every later month.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl


def is_holdout(
    keys: Iterable[str | int] | pl.Series,
    *,
    salt: str,
    share: float,
) -> NDArray[np.bool_]:
    """Decide for each key whether it is held out; about `share` of the keys are.

    A key is held out when the first 8 bytes of sha256(salt NUL key), as a big-endian integer, are
    below share * 2^64. An integer key is hashed as its decimal text.

    Returns:
        True for a key that is held out, (n,).

    >>> keys = ["7590-VHVEG", "5575-GNVDE", "3668-QPYBK"]
    >>> is_holdout(keys, salt="streamflow", share=0.25).tolist()
    [True, False, False]
    >>> is_holdout(keys[::-1], salt="streamflow", share=0.25).tolist()
    [False, False, True]
    >>> integers, texts = (is_holdout(key, salt="s", share=0.5) for key in ([17], ["17"]))
    >>> integers.tolist() == texts.tolist()
    True
    """
    limit = np.uint64(int(share * 2**64))
    return hash_position(keys, salt=salt) < limit


def hash_position(keys: Iterable[str | int] | pl.Series, *, salt: str) -> NDArray[np.uint64]:
    """Return the position of each key's hash in [0, 2^64), (n,).

    The positions are evenly distributed. They do not depend on the order of the keys.

    >>> first, second = hash_position(["a", "b"], salt="s")
    >>> hash_position(["b", "a"], salt="s").tolist() == [second, first]
    True
    """
    prefix = salt.encode() + b"\x00"
    digests = (sha256(prefix + str(key).encode()).digest() for key in keys)
    # An array of 8-byte texts from an iterator: a list of them would take 50 bytes for each key.
    first_bytes = np.fromiter((digest[:8] for digest in digests), dtype="S8")
    return first_bytes.view(">u8").astype(np.uint64)
