"""Probe requests: some hold-out rows, without keys, with the probabilities given at training.

A version that is loaded correctly gives the same probabilities again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from streamflow.core.data.json_text import MALFORMED_JSON, parse_json

if TYPE_CHECKING:
    import polars as pl

FILE = "probe_requests.json"
PROBES = 64


@dataclass(frozen=True, kw_only=True)
class Probes:
    """The stored requests of one version and the expected probabilities.

    Attributes:
        features: The names, in the order of the model.
        rows: The raw values of each row, in the order of `features`.
        probabilities: One for each row; an undamaged version gives the same ones again.
    """

    features: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    probabilities: tuple[float, ...]

    @property
    def content(self) -> bytes:
        """Return the bytes of the file. Equal requests and answers give equal bytes."""
        return (json.dumps(vars(self), indent=1, ensure_ascii=False) + "\n").encode()


def choose_probes(matrix: pl.DataFrame, probability: NDArray[Any]) -> Probes:
    """Take the first rows of the hold-out as probe requests.

    Args:
        matrix: The hold-out rows, (n, features), in the order of the keys.
        probability: The probability of each row, (n,).

    >>> import numpy as np
    >>> import polars as pl
    >>> choose_probes(pl.DataFrame({"fee": [1.5, None]}), np.array([0.25, 0.5])).rows
    ((1.5,), (None,))
    """
    head = matrix.head(PROBES)
    return Probes(
        features=tuple(head.columns),
        rows=tuple(head.rows()),
        probabilities=tuple(probability[:PROBES].tolist()),
    )


def parse_probes(content: bytes) -> Probes:
    """Read the file of the probe requests.

    Raises:
        ValueError: The content is not a file of probe requests.

    >>> probes = Probes(features=("fee",), rows=((1.5,),), probabilities=(0.25,))
    >>> parse_probes(probes.content).rows
    ((1.5,),)
    """
    try:
        values = parse_json(content)
        rows: Sequence[Sequence[Any]] = values["rows"]
        return Probes(
            features=tuple(values["features"]),
            rows=tuple(map(tuple, rows)),
            probabilities=tuple(map(float, values["probabilities"])),
        )
    except MALFORMED_JSON as exc:
        raise ValueError(f"{exc!r} is missing or has the wrong type") from exc
