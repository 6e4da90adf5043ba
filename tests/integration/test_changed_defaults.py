"""`migrate` says that `retrain` decides old evidence again because defaults have changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.chain import JANUARY
from support.states import JANUARY_SERVED

from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.warehouse.retraining import Retraining, State, record_state


def record_retraining(platform: Platform, state: State) -> None:
    retraining = Retraining(
        model=platform.catalog.model,
        evidence_digest="of January",
        as_of=JANUARY,
        label_as_of=JANUARY,
        state=state,
        version=1,
        why="January",
    )
    record_state(platform.connection, retraining)


@pytest.mark.state(JANUARY_SERVED)
def test_changed_defaults_are_named_when_a_retraining_was_decided(platform: Platform) -> None:
    # The state was made with a flag for the number of trees, which is different here.
    settings = platform.settings.model_copy(update={"seed": 99})
    upgraded = replace(platform, settings=settings)
    record_retraining(platform, "trained")
    assert plan_migration(upgraded).notes == ()
    record_retraining(platform, "promoted")
    note = (
        "defaults of settings have changed since 'retrain' decided about version 1"
        " (seed: 42 -> 99): the next 'retrain' decides again about drops"
        " that it decided about before. To prevent this, set the former values"
    )
    assert plan_migration(upgraded).notes == (note,)
    assert migrate(upgraded).notes == (note,)
    assert plan_migration(platform).notes == ()
