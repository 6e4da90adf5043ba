"""How a setting is declared: ordinary, part of the passport, a port, or a list of names."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

FILE = "streamflow.toml"
PREFIX = "STREAMFLOW_"


def setting(default: Any, description: str, **constraints: Any) -> Any:
    """Declare a setting that no model depends on."""
    return Field(default, description=description, **constraints)


def semantic(default: Any, description: str, **constraints: Any) -> Any:
    """Declare a setting that a model depends on: it goes into the passport."""
    return Field(
        default,
        description=description,
        json_schema_extra={"semantic": True},
        **constraints,
    )


def port(default: int, owner: str) -> Any:
    """Declare the port of a server."""
    description = f"the port of {owner}; 0 takes any free port"
    return Field(default, ge=0, le=65535, description=description)


def is_semantic(field: Any) -> bool:
    """Return whether a field of the settings was declared by `semantic`."""
    return bool((field.json_schema_extra or {}).get("semantic"))


def _split_names(value: Any) -> Any:
    """Split the text of a variable at its commas; leave every other value as it is."""
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]


def _require_folder(path: Path) -> Path:
    """Refuse a path that is a file or lies below a file: no folder can be made there."""
    # A link to nothing exists too.
    existing = next(folder for folder in (path, *path.parents, Path()) if os.path.lexists(folder))
    if not existing.is_dir():
        raise PydanticCustomError("not_a_folder", "{path} is not a folder", {"path": str(existing)})
    return path


StateFolder = Annotated[Path, AfterValidator(_require_folder)]


def _require_http(address: str) -> str:
    """Refuse an address that is not of http or https, or that names a user or a password."""
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise PydanticCustomError("not_http", "expected an address of http or https with a host")
    if "@" in url.netloc:
        raise PydanticCustomError("credentials", "the address names a user or a password")
    if not _has_usable_port(url):
        raise PydanticCustomError("port", "the port of the address is not a number up to 65535")
    if not address.isascii() or any(character.isspace() for character in address):
        raise PydanticCustomError(
            "characters", "an address has no blanks and only ASCII characters"
        )
    return address


def _has_usable_port(url: SplitResult) -> bool:
    try:
        _ = url.port
    except ValueError:  # its text shows the port, which may be a part of a secret
        return False
    return True


def _require_secret_http(address: SecretStr) -> SecretStr:
    """Refuse what `_require_http` refuses, without showing the address."""
    _require_http(address.get_secret_value())
    return address


def _empty_to_none(value: Any) -> Any:
    """Take an empty text, such as that of an unset variable of compose, for no value."""
    return None if value == "" else value


HttpAddress = Annotated[str, AfterValidator(_require_http)]
OptionalAddress = Annotated[HttpAddress | None, BeforeValidator(_empty_to_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_empty_to_none)]
SecretHttpAddress = Annotated[SecretStr, AfterValidator(_require_secret_http)]


def _make_lake_address(location: str) -> str:
    """Return the address of a folder or of a prefix in an object store, without a last slash."""
    scheme, separator, path = location.partition("://")
    if not separator or (scheme == "file" and path.startswith("/")):
        folder = Path(path or location).expanduser().absolute()
        return _require_whole_path(f"file://{_require_folder(folder)}")
    if scheme != "s3" or not path.strip("/"):
        raise PydanticCustomError("lake", "expected a folder, or s3:// with a bucket")
    if "@" in path:
        raise PydanticCustomError("credentials", "the address names a user or a password")
    return _require_whole_path(f"s3://{path.rstrip('/')}")


def _require_whole_path(address: str) -> str:
    """Refuse characters at which PyIceberg ends a path: it would use the folder above."""
    if "#" in address or "?" in address:
        raise PydanticCustomError("lake", "the address of a lake must not contain # or ?")
    return address


LakePlace = Annotated[str, AfterValidator(_make_lake_address)]


# Host, port and parameters. What Spark's client cannot parse, it shows in its error: so could a
# token without its name, and one with a slash. A host with a `;` would be shown, too.
SPARK_ADDRESS = re.compile(r"sc://[\w.-]+(:\d+)?(/(;[\w.-]+=[^;=/?#]+)*)?", re.ASCII)


def _require_spark(address: SecretStr) -> SecretStr:
    """Refuse what is no address of Spark Connect, without showing it: it may hold a token."""
    text = address.get_secret_value()
    url = urlsplit(text)
    if url.scheme != "sc" or not url.hostname:
        raise PydanticCustomError("not_spark", "expected an address such as sc://host:15002")
    if not _has_usable_port(url):
        raise PydanticCustomError("port", "the port of the address is not a number up to 65535")
    if not text.isascii() or any(character.isspace() for character in text):
        raise PydanticCustomError(
            "characters", "an address has no blanks and only ASCII characters"
        )
    if not SPARK_ADDRESS.fullmatch(text):
        raise PydanticCustomError(
            "spark_form",
            "expected an address such as sc://host:15002 or sc://host:443/;token=... "
            "(a value is written with %2F for / and %3D for =)",
        )
    return address


SparkAddress = Annotated[SecretStr, AfterValidator(_require_spark)]
