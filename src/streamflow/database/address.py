"""Where a PostgreSQL server is, and as whom one works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from streamflow.errors import SettingsInvalid

LIVELY = {  # what libpq has no variable for: a network that is dead is noticed in a minute, not in the system's hours
    "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000,
}  # fmt: skip
ENVIRONMENT = {  # libpq's parameter -> libpq's variable
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


@dataclass(frozen=True, kw_only=True)
class Address:
    """libpq's parameters of one server. Without any it is whatever libpq's PG* environment names."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    password: str | None = field(default=None, repr=False)
    role: str | None = (
        None  # the role that a connection takes; "none" is PostgreSQL's word for "as logged in"
    )

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.parameters.get("dbname") or self.parameters.get("user") or "postgres"

    @property
    def user(self) -> str:
        """The user that logs in."""
        return self.parameters.get("user", "")

    def with_database(self, name: str) -> Address:
        """The same server, another database."""
        return replace(self, parameters={**self.parameters, "dbname": name})

    def with_role(self, role: str) -> Address:
        """The same database, worked on as another role."""
        return replace(self, role=role)

    def _all(self) -> dict[str, str]:
        secret = {"password": self.password} if self.password else {}
        options = {"options": self._options} if self.role else {}
        return {**self.parameters, **secret, **options}

    @property
    def _options(self) -> str:
        """What each session starts with: the role, and UTC, so that an instant has one text everywhere."""
        return f"-c role={self.role} -c timezone=UTC"

    def conninfo(self) -> str:
        """For psycopg. It may hold the password: never log it."""
        return make_conninfo(**self._all())

    def uri(self) -> str:
        """For ADBC. It may hold the password: never log it."""
        return "postgresql://?" + urlencode(self._all(), quote_via=quote)

    def environment(self) -> dict[str, str]:
        """Libpq's variables: what Feast, MLflow, psql and every other client of libpq connect by."""
        found = {
            ENVIRONMENT[name]: value for name, value in self._all().items() if name in ENVIRONMENT
        }
        return {**found, **({"PGOPTIONS": self._options} if self.role else {})}

    def sqlalchemy_url(self, database: str | None = None, *, driver: str = "psycopg") -> str:
        """A URL that names the database only; the rest is in `environment`."""
        return f"postgresql+{driver}:///{quote(database or self.database)}?{urlencode(LIVELY)}"

    @property
    def display(self) -> str:
        """For people: without the password."""
        shown = {k: v for k, v in self.parameters.items() if k in ("host", "port") and v}
        user = f"{self.user}@" if self.user else ""
        return f"postgresql://{user}/{self.database}" + (
            f"?{urlencode(shown, safe='/')}" if shown else ""
        )


def from_url(url: str) -> Address:
    """Read `postgresql://user:password@host:port/database?…`.

    Raises SettingsInvalid, without the password.
    """
    plain = "postgresql://" + url.split("://", 1)[1] if "://" in url else ""
    if url.split("://", 1)[0] not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise SettingsInvalid("setting 'database_url': it must begin with postgresql://")
    try:
        given = {k: str(v) for k, v in conninfo_to_dict(plain).items() if v is not None}
    except psycopg.ProgrammingError as exc:
        raise SettingsInvalid(
            "setting 'database_url': libpq cannot read it; is something in it not percent-encoded?"
        ) from exc
    password = given.pop("password", None)
    unknown = sorted(set(given) - set(ENVIRONMENT))
    if unknown:
        raise SettingsInvalid(
            f"setting 'database_url': {', '.join(unknown)} cannot be passed on to every client"
        )
    return Address(parameters=given, password=password)
