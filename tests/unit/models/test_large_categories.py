"""Categories that are large integers: not every one of them is a float, and categories are."""

from __future__ import annotations

import numpy as np
import polars as pl

from streamflow.core.training.background import build_background
from streamflow.models.encoder import Encoder

EXACT = 2**53
NO_FLOAT = 2**53 + 1  # its float is that of EXACT


def test_a_row_alone_is_encoded_as_in_a_frame() -> None:
    values = [EXACT, NO_FLOAT, 7, True, None]
    encoder = Encoder(features=("campaign",), categories={"campaign": (1.0, float(EXACT), None)})
    frame = pl.DataFrame({"campaign": [EXACT, NO_FLOAT, 7, 1, None]})
    encoded = encoder.encode_rows([[value] for value in values])
    np.testing.assert_array_equal(encoded, encoder.encode_frame(frame))
    assert encoded[:2].tolist() == [[0.0, 1.0, 0.0]] * 2


def test_the_shares_of_integers_with_the_same_float_are_added() -> None:
    campaigns = [EXACT, NO_FLOAT, NO_FLOAT, 7]
    background = build_background(pl.DataFrame({"campaign": campaigns}), ["campaign"])
    summary = background.features["campaign"]
    assert summary.shares == {"7.0": 0.25, "9007199254740992.0": 0.75}
    assert summary.row_share(NO_FLOAT) == 0.75
