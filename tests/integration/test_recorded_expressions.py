"""A recorded catalog may come from somebody else: none of its expressions is computed here."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from support.states import JANUARY_TRAINED

from streamflow.catalog import DEFAULT_PATH, parse_catalog
from streamflow.platform import Platform
from streamflow.steps.versions.data_level import verify_frozen_rows
from streamflow.steps.versions.recorded_version import find_recorded_version

FEE = "monthly_fee         = {"


@pytest.mark.state(JANUARY_TRAINED)
def test_a_changed_cell_is_explained_without_the_expressions_of_the_recorded_catalog(
    platform: Platform,
) -> None:
    passport = find_recorded_version(platform, "1").passport
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    assert FEE in text
    declared = text.replace(FEE, f'{FEE} expr = "tenure_months / 0",')
    recorded = replace(platform, catalog=parse_catalog(declared, origin="somebody's"))
    with psycopg.connect(platform.login.conninfo(), autocommit=True) as connection:
        connection.execute("ALTER TABLE frozen.subscriptions DISABLE TRIGGER USER")
        changed = connection.execute(
            "UPDATE frozen.subscriptions SET monthly_fee = monthly_fee + 1"
            " WHERE user_id = (SELECT min(user_id) FROM frozen.subscriptions)"
            " RETURNING user_id, monthly_fee - 1, monthly_fee"
        ).fetchone()
    assert changed is not None
    key, former_fee, fee = changed
    level = verify_frozen_rows(recorded, passport).level
    assert [str(difference) for difference in level.differences] == [
        f"subscriptions of 2024-01-31, revision 1, {key} monthly_fee: {former_fee} -> {fee}"
    ]
