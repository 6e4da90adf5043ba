"""The settings of this installation: flags > STREAMFLOW_* > streamflow.toml > defaults.

No other package reads the environment of the process.
"""

from streamflow.settings.catalog_defaults import apply_catalog_defaults, require_whole_money
from streamflow.settings.declaration import Settings
from streamflow.settings.environment import (
    clean_environment,
    inherited_environment,
    object_store_options,
    temporary_environment,
)
from streamflow.settings.fields import FILE as SETTINGS_FILE
from streamflow.settings.installation_settings import InstallationSettings
from streamflow.settings.loading import (
    SettingRow,
    list_settings,
    load_settings,
    override_settings,
)
from streamflow.settings.settings_file import (
    CATALOG_SOURCE_FILE,
    find_catalog_source,
    read_former_source,
    read_state_text,
)
from streamflow.settings.vendor_environment import VENDOR_DEFAULTS, vendors_environment
from streamflow.settings.webhook_secret import read_webhook_key

__all__ = [
    "CATALOG_SOURCE_FILE",
    "SETTINGS_FILE",
    "VENDOR_DEFAULTS",
    "InstallationSettings",
    "SettingRow",
    "Settings",
    "apply_catalog_defaults",
    "clean_environment",
    "find_catalog_source",
    "inherited_environment",
    "list_settings",
    "load_settings",
    "object_store_options",
    "override_settings",
    "read_former_source",
    "read_state_text",
    "read_webhook_key",
    "require_whole_money",
    "temporary_environment",
    "vendors_environment",
]
