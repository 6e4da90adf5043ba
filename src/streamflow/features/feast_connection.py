"""The connection that Feast makes by itself, with the attributes of a store's configuration."""

from __future__ import annotations

import os
from typing import ClassVar

from feast.repo_config import FeastConfigBaseModel


# mypy cannot check the base class, because Feast is untyped to us.
class FeastConnectionConfig(FeastConfigBaseModel):  # type: ignore[misc]
    """A configuration with which Feast connects to PostgreSQL as our own connections do.

    `feast apply` asks a PostgreSQLSource for its columns, when a view does not list its keys or its
    features. Feast then connects with these attributes. None leaves a parameter to libpq, which
    takes it from its PG* environment variables.
    """

    host: ClassVar[None] = None
    database: ClassVar[None] = None
    user: ClassVar[None] = None
    password: ClassVar[None] = None
    sslmode: ClassVar[None] = None
    sslkey_path: ClassVar[None] = None
    sslcert_path: ClassVar[None] = None
    sslrootcert_path: ClassVar[None] = None
    keepalives_idle: ClassVar[None] = None

    @property
    def port(self) -> int:
        """Return the port, which Feast needs as a number."""
        return int(os.environ.get("PGPORT") or 5432)

    @property
    def db_schema(self) -> str:
        """Return the search path, and behind it the options of PGOPTIONS, such as the role.

        Feast writes this text into the parameter `options`, which replaces PGOPTIONS. What it adds
        behind the text belongs to the last option.
        """
        return f"public {os.environ.get('PGOPTIONS', '')} -c search_path=public"
