"""Settings whose default depends on the catalog: the kind of model, the money, the threshold."""

from __future__ import annotations

import pytest

from streamflow.catalog import load_catalog
from streamflow.errors import SettingsInvalid
from streamflow.settings import (
    Settings,
    apply_catalog_defaults,
    load_settings,
    require_whole_money,
)
from streamflow.settings.catalog_defaults import REFERENCE_MODEL
from streamflow.steps.training.learn import economics_of

MONEY = {"kept_value": 30.0, "offer_cost": 2.0, "offer_success": 0.1}


def values(settings: Settings, model: str) -> list[object]:
    completed = apply_catalog_defaults(settings, model)
    names = ("model", "threshold", "kept_value", "offer_cost", "offer_success")
    return [getattr(completed, name) for name in names]


def test_the_reference_keeps_its_model_and_its_money() -> None:
    assert load_catalog(None).model == REFERENCE_MODEL
    assert values(Settings(), REFERENCE_MODEL) == ["baseline", "value", 200.0, 20.0, 0.3]
    given = load_settings(model="auto", offer_cost=5.0)
    assert values(given, REFERENCE_MODEL) == ["auto", "value", 200.0, 5.0, 0.3]
    completed = apply_catalog_defaults(given, REFERENCE_MODEL)
    assert [completed.origin(name) for name in ("offer_cost", "kept_value")] == ["flag", "default"]


def test_everybody_else_gets_the_best_model_and_no_money_of_a_streaming_service() -> None:
    assert values(Settings(), "gym") == ["auto", "f1", None, None, None]
    assert economics_of(apply_catalog_defaults(Settings(), "gym")) is None
    assert values(Settings(**MONEY), "gym") == ["auto", "value", 30.0, 2.0, 0.1]
    assert values(Settings(**MONEY, threshold=0.4), "gym")[1] == 0.4
    assert values(Settings(**MONEY, threshold="f1"), "gym")[1] == "f1"


def test_the_defaults_are_filled_in_once() -> None:
    """A recorded setting stays what it is, whatever catalog is read beside it."""
    recorded = apply_catalog_defaults(Settings(), "gym")
    again = Settings().with_values(
        {name: entry["value"] for name, entry in recorded.semantic_values.items()}
    )
    assert values(again, REFERENCE_MODEL) == ["auto", "f1", None, None, None]


@pytest.mark.parametrize(
    ("given", "needing"),
    [
        ({"offer_cost": 2.0}, "offer_cost: this needs kept_value and offer_success too"),
        ({"offer_budget": 2.0}, "offer_budget: this needs kept_value and"),
        ({"threshold": "value"}, "threshold = value: this needs"),
        ({"gate_metric": "value"}, "gate_metric = value: this needs"),
    ],
)
def test_half_of_the_money_is_refused(given: dict[str, object], needing: str) -> None:
    with pytest.raises(SettingsInvalid, match=needing):
        require_whole_money(apply_catalog_defaults(Settings(**given), "gym"))
    require_whole_money(apply_catalog_defaults(Settings(**given), REFERENCE_MODEL))
