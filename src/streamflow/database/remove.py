"""Delete what the embedded server of a state folder keeps outside of it.

`make clean` runs `python -m streamflow.database.remove HOME` before it deletes the state folder.
"""

import sys
from pathlib import Path

from streamflow.database.embedded import remove_server

if __name__ == "__main__":
    remove_server(Path(sys.argv[1]).absolute())
