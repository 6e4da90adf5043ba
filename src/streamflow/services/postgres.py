"""Keep the embedded PostgreSQL server up: `python -m streamflow.services.postgres`.

The program ends when the server does not answer. Whoever starts the program again starts the
server again, for everybody who works on it.
"""

from __future__ import annotations

import sys
import time


def main() -> int:
    """Attach to the server and check once a second that it answers; return the exit code."""
    from streamflow.database import attach, is_answering
    from streamflow.settings import load_settings

    home = load_settings().home.absolute()
    with attach(home, notify=print):
        print("PostgreSQL is up", flush=True)
        while is_answering(home):
            time.sleep(1)
    print("PostgreSQL does not answer", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
