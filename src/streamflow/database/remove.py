"""Delete what the embedded servers of state folders keep outside of them.

`make clean` runs `python -m streamflow.database.remove HOME ...` before it deletes these folders.
"""

import sys
from pathlib import Path

from streamflow.database.embedded import remove_server

if __name__ == "__main__":
    for home in sys.argv[1:]:
        remove_server(Path(home).absolute())
