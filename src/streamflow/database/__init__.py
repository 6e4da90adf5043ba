"""PostgreSQL: the embedded server, connections, and frames read from and written to it."""

from streamflow.database.address import Address, from_url
from streamflow.database.connect import connect, ensure_database, is_absent_database, server_version
from streamflow.database.driver_errors import find_driver_error, translate_errors
from streamflow.database.dump import Snapshot, run_sql, snapshot
from streamflow.database.embedded import (
    Attachment,
    attach,
    data_folder,
    guard_is_alive,
    hold_alone,
    is_answering,
    replace_process,
)
from streamflow.database.orphaned_servers import (
    OrphanedServer,
    find_orphaned_servers,
    find_server_of_others,
)
from streamflow.database.server_folder import (
    find_folders_outside,
    has_server,
    remove_server_folders,
)
from streamflow.database.server_programs import read_server_log_end

__all__ = [
    "Address",
    "Attachment",
    "OrphanedServer",
    "Snapshot",
    "attach",
    "connect",
    "data_folder",
    "ensure_database",
    "find_driver_error",
    "find_folders_outside",
    "find_orphaned_servers",
    "find_server_of_others",
    "from_url",
    "guard_is_alive",
    "has_server",
    "hold_alone",
    "is_absent_database",
    "is_answering",
    "read_server_log_end",
    "remove_server_folders",
    "replace_process",
    "run_sql",
    "server_version",
    "snapshot",
    "translate_errors",
]
