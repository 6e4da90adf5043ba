"""Make the secrets of the stack in /secrets, each of them once.

The service `init` of compose runs it before any service.

pgpass                   libpq's password file, for every client (PGPASSFILE); only our own user can
                         read it
postgres_password        the same password, for the postgres image (POSTGRES_PASSWORD_FILE), which
                         has a different user
grafana_password         of Grafana's user `admin`
grafana_reader_password  with which Grafana reads our database, as the user `grafana`
"""

import os
import secrets
from pathlib import Path

FOLDER = Path("/secrets")


def once(name: str, text: str, mode: int) -> str:
    """Write a file unless it is there, at once or not at all; what it holds then."""
    path, partial = FOLDER / name, FOLDER / f".{name}.partial"
    if not path.exists():
        partial.unlink(missing_ok=True)
        with os.fdopen(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    return path.read_text(encoding="ascii")


if __name__ == "__main__":
    os.umask(0)
    password = once("postgres_password", secrets.token_urlsafe(32), 0o444)
    once("pgpass", f"*:*:*:streamflow:{password}\n", 0o600)
    for name in ("grafana_password", "grafana_reader_password"):
        once(name, secrets.token_urlsafe(32), 0o444)
    print(f"secrets are in the volume: {', '.join(sorted(p.name for p in FOLDER.iterdir()))}")
