"""`python -m streamflow.database.remove HOME`: what `make clean` has to do before it deletes the state folder."""

import sys
from pathlib import Path

from streamflow.database.embedded import remove

if __name__ == "__main__":
    remove(Path(sys.argv[1]).absolute())
