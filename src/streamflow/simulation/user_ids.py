"""The ids of the simulated users, four digits and five letters each, like 7590-VHVEG."""

from __future__ import annotations

import numpy as np
import polars as pl

from streamflow.simulation.random_streams import Purpose, stream

LETTERS = 26**5
# All ids dddd-XXXXX: 118,813,760,000 of them.
IDS = 10_000 * LETTERS
# The number of 7590-VHVEG, the user of the examples in the documentation. Every drop has this user.
ANCHOR = 7590 * LETTERS + 9_733_834
# A multiple of 130 = 2 * 5 * 13 (the prime factors of IDS) plus 47 shares no factor with IDS.
STEP_UNIT = 130
STEP_REMAINDER = 47


def user_ids(seed: int, first: int, count: int) -> pl.Series:
    """Return the ids of the users with the numbers `first` .. `first + count - 1`.

    The numbers count all users of all months. Number 0 is 7590-VHVEG. The step from id to id
    shares no factor with the number of ids, so that each id comes once before one comes again.

    >>> user_ids(1, 0, 1).to_list()
    ['7590-VHVEG']
    >>> user_ids(1, 0, 9).tail(3).equals(user_ids(1, 6, 3))
    True
    """
    # Stays below 2^64 for 10^8 users.
    user_numbers = np.arange(first, first + count, dtype=np.uint64)
    steps = _step(seed) * user_numbers
    number = (ANCHOR + steps) % IDS
    text = np.empty((count, 10), dtype=np.uint8)
    for column in (9, 8, 7, 6, 5):
        number, letter = np.divmod(number, np.uint64(26))
        text[:, column] = letter + ord("A")
    text[:, 4] = ord("-")
    for column in (3, 2, 1, 0):
        number, digit = np.divmod(number, np.uint64(10))
        text[:, column] = digit + ord("0")
    ids = text.view("S10").ravel()
    return pl.Series("user_id", ids.astype("U10"))


def _step(seed: int) -> int:
    fraction = stream(seed, 0, Purpose.IDS).random()
    smallest = IDS // 4 // STEP_UNIT * STEP_UNIT
    drawn_units = int(fraction * (IDS // 260))
    return smallest + STEP_UNIT * drawn_units + STEP_REMAINDER
