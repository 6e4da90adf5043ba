"""Defaults that depend on the catalog: those of the built-in one, and those of every other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamflow.errors import SettingsInvalid

if TYPE_CHECKING:
    from streamflow.settings.declaration import Settings

# The model of the built-in catalog. A catalog that was made from it keeps the name.
REFERENCE_MODEL = "streamflow_churn"
# The built-in catalog is that of a streaming service. Its kind of model and its money are no
# defaults for anybody else.
REFERENCE_DEFAULTS: Mapping[str, Any] = {
    "model": "baseline",
    "kept_value": 200.0,
    "offer_cost": 20.0,
    "offer_success": 0.3,
}
MONEY = ("kept_value", "offer_cost", "offer_success")


def apply_catalog_defaults(settings: Settings, model: str) -> Settings:
    """Return the settings in which every default that depends on the catalog is filled in.

    Args:
        settings: as they were read.
        model: the name of the model in the catalog.
    """
    given_names = settings.model_fields_set
    values: dict[str, Any] = {}
    if model == REFERENCE_MODEL:
        values = {
            name: value for name, value in REFERENCE_DEFAULTS.items() if name not in given_names
        }
    completed = settings.model_copy(update=values)
    if "threshold" not in given_names:
        rule = "value" if has_money(completed) else "f1"
        completed = completed.model_copy(update={"threshold": rule})
    return completed


def has_money(settings: Settings) -> bool:
    """Tell whether everything is set that says what an offer brings and costs."""
    return not list_missing_money(settings)


def list_missing_money(settings: Settings) -> list[str]:
    """Return the names of the settings of money that have no value."""
    return [name for name in MONEY if getattr(settings, name) is None]


def require_whole_money(settings: Settings) -> None:
    """Raise SettingsInvalid when a setting needs money that is not set."""
    missing = list_missing_money(settings)
    if not missing:
        return
    needing = [name for name in (*MONEY, "offer_budget") if getattr(settings, name) is not None]
    if settings.threshold == "value":
        needing.append("threshold = value")
    if settings.gate_metric == "value":
        needing.append("gate_metric = value")
    if needing:
        raise SettingsInvalid(
            f"{', '.join(needing)}: this needs {' and '.join(missing)} too, and they have no value",
            remedy="Set kept_value, offer_cost and offer_success, or none of them.",
        )
