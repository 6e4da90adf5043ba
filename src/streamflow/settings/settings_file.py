"""The file of settings: the one in the current folder, or the one beside the catalog."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic_settings import BaseSettings, TomlConfigSettingsSource

from streamflow.errors import CatalogInvalid, SettingsInvalid
from streamflow.settings.fields import FILE, PREFIX
from streamflow.settings.installation_settings import InstallationSettings

# The file of the state folder with the path of the catalog in force.
CATALOG_SOURCE_FILE = "home.catalog.source"


def read_settings_file(
    settings_class: type[BaseSettings],
    flags: Mapping[str, Any],
) -> dict[str, Any]:
    """Return setting -> value of the file of settings; nothing if there is no such file.

    Raises:
        SettingsInvalid: the file cannot be read, or it lies beside the catalog and has a setting of
            the installation. Whoever sends a catalog must not decide where our data go.
    """
    path = find_settings_file(flags)
    try:
        values = TomlConfigSettingsSource(settings_class, toml_file=path)()
    except (OSError, ValueError) as exc:
        raise SettingsInvalid(f"{path}: {exc}") from exc
    values = name_by_field(values)
    if path.parent != Path():
        _refuse_installation_settings(path, values, flags)
    return values


def name_by_field(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by the names of their settings.

    pydantic names a setting that vendors' variables set, too, by the first of its variables.
    """
    names = {
        variable: name
        for name in InstallationSettings.model_fields
        for variable in list_variables(name)
    }
    return {names.get(name, name): value for name, value in values.items()}


def list_variables(name: str) -> list[str]:
    """Return the variables of a setting: our own, which wins, and then those of vendors."""
    own_variable = f"{PREFIX}{name}".upper()
    field = InstallationSettings.model_fields.get(name)
    if field is None or not isinstance(field.validation_alias, AliasChoices):
        return [own_variable]
    return [str(alias) for alias in field.validation_alias.choices if alias != name]


def _refuse_installation_settings(
    path: Path, values: Mapping[str, Any], flags: Mapping[str, Any]
) -> None:
    """Raise SettingsInvalid when the file beside a catalog decides a setting of the installation.

    A flag or a variable wins over the file, so the file does not decide then.
    """
    names = sorted(
        name
        for name in values.keys() & InstallationSettings.model_fields - flags.keys()
        if not any(variable in os.environ for variable in list_variables(name))
    )
    if names:
        variables = " and ".join(f"{PREFIX}{name}".upper() for name in names)
        raise SettingsInvalid(
            f"{path}: {', '.join(names)}: a setting of the installation is not read from the file "
            "beside the catalog, only from the folder where the command runs",
            remedy=f"Run the command in {path.parent}, or set {variables}.",
        )


def find_settings_file(flags: Mapping[str, Any]) -> Path:
    """Return the file of settings of a command. It may be absent.

    It is the file in the current folder. If there is none, it is the one beside the catalog that
    the command names, or else beside the catalog that the state folder remembers.

    Args:
        flags: name -> value of the settings that the command line gives.
    """
    local = Path(FILE)
    if local.is_file():
        return local
    home = Path(_read_early("home", flags) or InstallationSettings.model_fields["home"].default)
    catalog = _read_early("catalog", flags)
    source = find_catalog_source(home.absolute(), Path(catalog) if catalog else None)
    return local if source is None else source.parent / FILE


def _read_early(name: str, flags: Mapping[str, Any]) -> str | Path | None:
    """Return a setting that decides which file of settings is read: a flag, or the variable."""
    value: str | Path | None = flags.get(name)
    return value or os.environ.get(f"{PREFIX}{name}".upper())


def find_catalog_source(home: Path, named_path: Path | None) -> Path | None:
    """Return the absolute path of the catalog that a command works with; None: the built-in one.

    Args:
        home: the state folder, which remembers the catalog of the last `migrate`.
        named_path: the catalog that the user named. A relative path that leads nowhere from the
            current folder is the remembered source, if that ends with the same names.
    """
    former = read_former_source(home)
    if named_path is None:
        return former
    path = named_path.absolute()
    if path.exists() or named_path.is_absolute() or former is None:
        return path
    ends_alike = former.parts[-len(named_path.parts) :] == named_path.parts
    return former if ends_alike else path


def read_former_source(home: Path) -> Path | None:
    """Return the path of the catalog of the last `migrate`; None: the built-in one, or unknown."""
    line = read_state_text(home / CATALOG_SOURCE_FILE)
    return Path(line.removesuffix("\n")) if line.strip() else None


def read_state_text(path: Path) -> str:
    """Return the text of a file of the state folder; empty if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise CatalogInvalid(f"{path}: it cannot be read: {exc}") from exc
