"""Random streams of the simulation: equal numbers on every machine.

The only random number taken is a uniform of PCG64, from one `SeedSequence` stream for each month
and purpose.
"""

from __future__ import annotations

from enum import IntEnum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Purpose(IntEnum):
    """What a random stream is for.

    Each purpose has a stream of its own, so that a change in one leaves the others as they are.
    """

    IDS = 0
    PROFILE = 1
    USAGE = 2
    CHANGES = 3
    CHURN = 4


def stream(seed: int, month: int, purpose: Purpose) -> np.random.Generator:
    """Return the random stream of one month and purpose.

    >>> stream(1, 0, Purpose.USAGE).random() == stream(1, 0, Purpose.CHURN).random()
    False
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(month, int(purpose)))
    return np.random.Generator(np.random.PCG64(sequence))


def normal(random: np.random.Generator, count: int) -> Floats:
    """Draw numbers that are nearly normal, with mean 0 and sd 1, within ±3.47, (count,).

    Each is the sum of four uniforms, which needs no logarithm.

    >>> bool(abs(normal(stream(1, 0, Purpose.USAGE), 10_000).std() - 1) < 0.02)
    True
    """
    total = random.random(count)
    for _ in range(3):
        total = total + random.random(count)
    return np.asarray(sqrt(3) * (total - 2))
