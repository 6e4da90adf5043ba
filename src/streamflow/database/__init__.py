"""PostgreSQL: the embedded server, connections, and frames read from and written to it."""

from streamflow.database.address import Address, from_url
from streamflow.database.connect import connect, ensure_database, is_absent_database, server_version
from streamflow.database.driver_errors import translated
from streamflow.database.dump import Snapshot, run_sql, snapshot
from streamflow.database.embedded import (
    Attachment,
    answers,
    attach,
    data_folder,
    guard_is_alive,
    replace_process,
)
from streamflow.database.orphaned_servers import Leftover, leftovers
from streamflow.database.server_programs import last_words

__all__ = [
    "Address",
    "Attachment",
    "Leftover",
    "Snapshot",
    "answers",
    "attach",
    "connect",
    "data_folder",
    "ensure_database",
    "from_url",
    "guard_is_alive",
    "is_absent_database",
    "last_words",
    "leftovers",
    "replace_process",
    "run_sql",
    "server_version",
    "snapshot",
    "translated",
]
