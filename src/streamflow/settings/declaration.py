"""Every setting of an installation, with its default and its description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
)

from streamflow.model_names import ModelName
from streamflow.settings.fields import (
    is_semantic,
    semantic,
    setting,
)
from streamflow.settings.installation_settings import InstallationSettings
from streamflow.settings.settings_file import name_by_field, read_settings_file

Probability = Annotated[float, Field(gt=0, lt=1)]


class Settings(InstallationSettings):
    """Every setting, with its default. Paths are relative to the folder where the command runs.

    The settings of the installation come first, then those of the commands.
    """

    max_reject_share: float = setting(
        0.01,
        "the largest share of a drop's keys that 'ingest --reject-rows' may leave out",
        ge=0,
        le=1,
    )
    reproduce_tolerance: float = setting(
        1e-12,
        "the largest difference of probabilities that 'reproduce' calls within tolerance; "
        "above it, the result is differs",
        ge=0,
    )
    gate_policy: Literal["paired-bootstrap", "point-estimate"] = setting(
        "paired-bootstrap",
        "what decides a promotion: the interval of the difference (paired-bootstrap), "
        "or the difference itself (point-estimate)",
    )
    gate_metric: Literal["auc", "average_precision", "brier", "value"] = setting(
        "auc",
        "the metric that decides a promotion; "
        "value is money per user, computed from the settings of offers",
    )
    gate_margin: float = setting(
        0.0, "how much better the challenger must be, in units of the metric"
    )
    gate_confidence: float = setting(
        0.95,
        "the confidence of the interval of the difference",
        gt=0,
        lt=1,
    )
    gate_draws: int = setting(1000, "the number of draws of the gate's bootstrap", ge=50)
    gate_min_rows: int = setting(
        50,
        "the fewest rows, unseen by both versions, on which two versions are compared",
        ge=20,
    )
    retrain_min_labels: int = setting(
        200, "the fewest labels of a drop on which 'retrain' trains", ge=1
    )
    retrain_cooldown_hours: float = setting(
        24.0, "hours after a retraining in which 'retrain' does not begin a new one", ge=0
    )
    retrain_on: Literal["schedule", "verdict"] = setting(
        "schedule",
        "whether the worker's 'retrain' trains on all new evidence (schedule), "
        "or only where 'monitor' fires (verdict)",
    )
    retrain_every: int | None = setting(
        None,
        "seconds between two runs of 'retrain' by the worker; by default they are not scheduled",
        ge=60,
    )
    retrain_months: int = setting(
        1, "how many labelled drops the worker's 'retrain' trains on: its --months", ge=1
    )
    drift_psi: float = setting(
        0.1,
        "the PSI, in nats, from which 'monitor' may say that a feature drifted; a convention",
        gt=0,
    )
    drift_false_discovery: float = setting(
        0.05,
        "the share of false alarms that is accepted among the features "
        "that 'monitor' reports as drifted",
        gt=0,
        lt=1,
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "the least severe messages that are logged"
    )
    log_format: Literal["console", "json"] = setting(
        "console",
        "the format of the API's log: text for people on stderr (console), "
        "or JSON lines on stdout (json)",
    )

    train_figures: bool = setting(
        True, "whether 'train' draws the ROC, precision and calibration figures of a version"
    )
    seed: int = semantic(42, "the seed of everything random in training", ge=0, lt=2**32)
    split_salt: str = semantic(
        "streamflow",
        "the salt of the hash that puts each key into the training set or the hold-out",
    )
    holdout_share: float = semantic(0.25, "the share of keys in the hold-out", gt=0, lt=1)
    model: ModelName = semantic(
        "auto",
        "the kind of model: logistic regression, a forest that chooses its leaf size, "
        "boosted trees, auto: the best of these three, or the baseline forest, "
        "the default of the built-in catalog",
    )
    trees: int = semantic(300, "the number of trees of a forest", gt=0)
    calibration: Literal["isotonic", "none"] = semantic(
        "isotonic",
        "how probabilities are calibrated, on out-of-fold predictions of the training rows",
    )
    threshold: Probability | Literal["value", "f1"] = semantic(
        "f1",
        "the probability from which the prediction is 1; "
        "f1: the one of the highest F1; value: the one that would have brought the most money, "
        "which is the default where the money is set",
    )
    kept_value: float | None = semantic(
        None,
        "the value of a user who would have left and stays, in your currency; "
        "without a default, but 200 for the built-in catalog",
        gt=0,
    )
    offer_cost: float | None = semantic(
        None,
        "the cost of an offer to stay, accepted or not; "
        "without a default, but 20 for the built-in catalog",
        ge=0,
    )
    offer_success: float | None = semantic(
        None,
        "the probability that an offer keeps a user who would have left; "
        "without a default, but 0.3 for the built-in catalog",
        gt=0,
        le=1,
    )
    offer_budget: float | None = semantic(
        None, "the most that the offers of one drop may cost; by default there is no limit", ge=0
    )
    bootstrap_draws: int = semantic(
        500, "the number of draws of the bootstrap interval of AUC", ge=50
    )

    # Name -> where the value comes from, for the settings that do not have their default.
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read flags, the environment and the file, in this order, and nothing else.

        A copy of settings names every value, and reads nothing.

        Pydantic prescribes the name of the method and of its parameters.
        """
        flags = name_by_field(init_settings())
        if flags.keys() >= settings_cls.model_fields.keys():
            return (init_settings,)
        file_values = read_settings_file(settings_cls, flags)
        return init_settings, env_settings, InitSettingsSource(settings_cls, file_values)

    @property
    def semantic_values(self) -> dict[str, dict[str, Any]]:
        """Return value and origin of each setting that a model depends on.

        Paths, URLs, ports and secrets are never among them.
        """
        names = [name for name, field in type(self).model_fields.items() if is_semantic(field)]
        return {name: {"value": getattr(self, name), "origin": self.origin(name)} for name in names}

    def origin(self, name: str) -> str:
        """Return where a value comes from: flag, name of a variable, name of the file, default."""
        return self._origins.get(name, "default")

    def record_origins(self, origins: Mapping[str, str]) -> None:
        """Store where the values come from. Only the reader of the settings knows this."""
        self._origins.update(origins)

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """Return a copy in which some settings have new values.

        A name that this code does not know is left out. Raises ValidationError.
        """
        names = type(self).model_fields
        new_values = {name: value for name, value in values.items() if name in names}
        current_values = {name: getattr(self, name) for name in names}
        return Settings(**{**current_values, **new_values})
