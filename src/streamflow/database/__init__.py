"""PostgreSQL: the embedded server, connections, frames in and out."""

from streamflow.database.address import Address, from_url
from streamflow.database.connect import connect, ensure_database, is_absent_database, server_version
from streamflow.database.embedded import Attachment, attach, data_folder, last_words, replace_process
from streamflow.database.translate import translated

__all__ = [
    "Address",
    "Attachment",
    "attach",
    "connect",
    "data_folder",
    "ensure_database",
    "from_url",
    "is_absent_database",
    "last_words",
    "replace_process",
    "server_version",
    "translated",
]
