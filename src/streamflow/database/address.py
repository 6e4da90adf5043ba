"""The address of a PostgreSQL database, and the user and role that work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from streamflow.core.data.counts import choose_form
from streamflow.errors import SettingsInvalid

# Parameters for which libpq has no environment variable. With them a dead network is noticed in a
# minute, and not only after hours, as with the system's defaults.
KEEPALIVE_PARAMETERS = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Parameter of libpq -> environment variable of libpq.
ENVIRONMENT_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, kw_only=True)
class Address:
    """The parameters with which libpq reaches one database.

    parameters  parameter of libpq -> value; a missing one comes from the PG* environment
    password    the password, which is never printed
    role        the role that each connection takes; "none" is PostgreSQL's word for "as logged in"
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    role: str | None = None

    @property
    def database(self) -> str:
        """Return the name of the database."""
        return self.parameters.get("dbname") or self.parameters.get("user") or "postgres"

    @property
    def user(self) -> str:
        """Return the name of the user that logs in."""
        return self.parameters.get("user", "")

    def with_database(self, name: str) -> Address:
        """Return the address of a different database on the same server."""
        return replace(self, parameters={**self.parameters, "dbname": name})

    def with_role(self, role: str) -> Address:
        """Return the address of the same database with a different role."""
        return replace(self, role=role)

    def _collect_parameters(self) -> dict[str, str]:
        parameters = dict(self.parameters)
        if self.password:
            parameters["password"] = self.password
        if self.role:
            parameters["options"] = self._session_options
        return parameters

    @property
    def _session_options(self) -> str:
        """Return the settings with which each session starts.

        They are the role; UTC, so that an instant has the same text everywhere; and backslashes
        without a meaning in texts, as the check of an expression of the catalog reads them.
        """
        return f"-c role={self.role} -c timezone=UTC -c standard_conforming_strings=on"

    def conninfo(self) -> str:
        """Return the address for psycopg. It may hold the password: never log it."""
        return make_conninfo(**self._collect_parameters())

    def uri(self) -> str:
        """Return the address for ADBC. It may hold the password: never log it."""
        return "postgresql://?" + urlencode(self._collect_parameters(), quote_via=quote)

    def environment(self) -> dict[str, str]:
        """Return the environment variables of libpq.

        Feast, MLflow, psql and every other client of libpq connect with them.
        """
        variables = {
            ENVIRONMENT_VARIABLES[name]: value
            for name, value in self._collect_parameters().items()
            if name in ENVIRONMENT_VARIABLES
        }
        if self.role:
            variables["PGOPTIONS"] = self._session_options
        return variables

    def sqlalchemy_url(
        self,
        database: str | None = None,
        *,
        driver: str = "psycopg",
        names_role: bool = False,
        schema: str = "",
    ) -> str:
        """Return a URL that names only the database; `environment` holds the rest.

        Args:
            database: a different database on the same server.
            driver: the driver of SQLAlchemy.
            names_role: also name the role, so that the environment cannot change it.
            schema: also name the schema in which tables without one are meant.
        """
        name = quote(database or self.database)
        parameters: dict[str, int | str] = {**KEEPALIVE_PARAMETERS}
        if names_role:
            search_path = f" -c search_path={schema}" if schema else ""
            parameters["options"] = self._session_options + search_path
        return f"postgresql+{driver}:///{name}?{urlencode(parameters)}"

    @property
    def display(self) -> str:
        """Return the address as people may see it, without the password."""
        user = f"{self.user}@" if self.user else ""
        server = {
            name: value
            for name, value in self.parameters.items()
            if name in ("host", "port") and value
        }
        query = f"?{urlencode(server, safe='/')}" if server else ""
        return f"postgresql://{user}/{self.database}{query}"


def from_url(url: str) -> Address:
    """Read `postgresql://user:password@host:port/database?…`.

    Raises:
        SettingsInvalid: the URL cannot be used. The message does not hold the password.
    """
    scheme, separator, location = url.partition("://")
    if scheme not in SCHEMES:
        raise SettingsInvalid("setting 'database_url': it must begin with postgresql://")
    plain_url = f"postgresql://{location}" if separator else ""
    try:
        parsed = conninfo_to_dict(plain_url)
    except psycopg.ProgrammingError as exc:
        raise SettingsInvalid(
            "setting 'database_url': libpq cannot read it. Is a special character in it not"
            " percent-encoded?"
        ) from exc
    parameters = {name: str(value) for name, value in parsed.items() if value is not None}
    password = parameters.pop("password", None)
    unknown = sorted(set(parameters) - set(ENVIRONMENT_VARIABLES))
    if unknown:
        noun = choose_form(len(unknown), "parameter", "parameters")
        raise SettingsInvalid(
            f"setting 'database_url': streamflow cannot pass the {noun} {', '.join(unknown)} on to"
            " every client"
        )
    return Address(parameters=parameters, password=password)
