"""Read the settings, refuse mistakes, and tell where each value comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from streamflow.errors import SettingsInvalid
from streamflow.settings.declaration import Settings
from streamflow.settings.fields import FILE, PREFIX
from streamflow.settings.settings_file import list_variables, read_settings_file

FLAG = "flag"  # the origin of a value that the command line or a Python call names


@dataclass(frozen=True, kw_only=True)
class SettingRow:
    """One line of the command `streamflow settings`."""

    name: str
    value: str
    origin: str
    description: str


def load_settings(**flags: Any) -> Settings:
    """Read the settings. `flags` win over every other source; a flag of None is not given.

    Raises SettingsInvalid with all mistakes.
    """
    values = {name: value for name, value in flags.items() if value is not None}
    with _naming_mistakes():
        _refuse_unknown_variables()
        settings = Settings(**values)
        settings.record_origins(_find_origins(values))
    return settings


def override_settings(settings: Settings, **values: Any) -> Settings:
    """Return a copy in which `values` replace some settings. Nothing else is read again.

    A setting that had its default still counts as not given: it may depend on the catalog.

    Raises SettingsInvalid with all mistakes.
    """
    present = {name: getattr(settings, name) for name in Settings.model_fields}
    with _naming_mistakes():
        checked = Settings(**{**present, **values})
    given_names = settings.model_fields_set | values.keys()
    checked_values = {name: getattr(checked, name) for name in Settings.model_fields}
    changed = Settings.model_construct(given_names, **checked_values)
    origins = {name: settings.origin(name) for name in Settings.model_fields}
    changed.record_origins({**origins, **dict.fromkeys(values, FLAG)})
    return changed


@contextmanager
def _naming_mistakes() -> Iterator[None]:
    """Raise SettingsInvalid in place of pydantic's error, with a sentence for each mistake."""
    try:
        yield
    except ValidationError as exc:
        mistakes = []
        for error in exc.errors(include_input=False):
            name = ".".join(map(str, error["loc"])) or "?"
            mistakes.append(f"setting '{name}': {error['msg']}")
        raise SettingsInvalid("\n".join(mistakes), violations=mistakes) from exc
    except ValueError as exc:
        # A variable holds a text that its setting cannot read.
        raise SettingsInvalid(str(exc)) from exc


def _find_origins(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return the origin of each setting that does not have its default."""
    origins = dict.fromkeys(read_settings_file(Settings, flags), FILE)
    for name in Settings.model_fields:
        # Our own variable comes first and wins, so it is written last.
        for variable in reversed(list_variables(name)):
            if variable in os.environ:
                origins[name] = variable
    return {**origins, **dict.fromkeys(flags, FLAG)}


def _refuse_unknown_variables() -> None:
    """Raise SettingsInvalid for variables that no setting has: a typo must not be ignored."""
    known_variables = {list_variables(name)[0] for name in Settings.model_fields}
    our_variables = {name for name in os.environ if name.startswith(PREFIX)}
    unknown_variables = sorted(our_variables - known_variables)
    if unknown_variables:
        raise SettingsInvalid(
            "\n".join(f"no setting is called {name}" for name in unknown_variables)
        )


def list_settings(settings: Settings) -> list[SettingRow]:
    """List each setting with its value and the origin of the value; secrets are masked."""
    return [
        SettingRow(
            name=name,
            value=_format_value(getattr(settings, name)),
            origin=settings.origin(name),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, tuple) else str(value)
