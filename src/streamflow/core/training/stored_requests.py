"""Probe requests: rows of the hold-out, without keys, with the probabilities that the version gave them when it was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from numpy.typing import NDArray

FILE = "probe_requests.json"
PROBES = 64


@dataclass(frozen=True, kw_only=True)
class Probes:
    """features in the order of the model; rows of raw values; the probability of each, which a whole version gives again."""

    features: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    probabilities: tuple[float, ...]

    @property
    def content(self) -> bytes:
        """The file: the same bytes for the same probes."""
        return (json.dumps(vars(self), indent=1, ensure_ascii=False) + "\n").encode()


def probes_of(matrix: pl.DataFrame, probability: NDArray[Any]) -> Probes:
    """The first rows of the hold-out; `matrix` (n, features) in the order of the keys, `probability` (n,).

    >>> import numpy as np
    >>> probes_of(pl.DataFrame({"fee": [1.5, None]}), np.array([0.25, 0.5])).rows
    ((1.5,), (None,))
    """
    head = matrix.head(PROBES)
    return Probes(
        features=tuple(head.columns),
        rows=tuple(head.rows()),
        probabilities=tuple(probability[:PROBES].tolist()),
    )


def parse_probes(content: bytes) -> Probes:
    """Read the file. Raises ValueError when it holds no probe requests.

    >>> parse_probes(Probes(features=("fee",), rows=((1.5,),), probabilities=(0.25,)).content).rows
    ((1.5,),)
    """
    try:
        found = json.loads(content)
        rows: Sequence[Sequence[Any]] = found["rows"]
        return Probes(
            features=tuple(found["features"]),
            rows=tuple(map(tuple, rows)),
            probabilities=tuple(map(float, found["probabilities"])),
        )
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{exc!r} is missing or no value of its kind") from exc
