"""The settings of this installation: flags > STREAMFLOW_* > streamflow.toml > defaults.

No other package reads the environment of the process.
"""

from streamflow.settings.declaration import Settings
from streamflow.settings.environment import clean_environment, exported, inherited_environment
from streamflow.settings.loading import SettingRow, explain, load_settings

__all__ = [
    "SettingRow",
    "Settings",
    "clean_environment",
    "explain",
    "exported",
    "inherited_environment",
    "load_settings",
]
