"""`python -m streamflow.services.postgres`: keeps the embedded server up, and ends when it does not answer.

Whoever starts this again then starts the server again, for all who work on it.
"""

from __future__ import annotations

import sys
import time


def main() -> int:
    """Attach, and look at it once a second."""
    from streamflow.database import answers, attach
    from streamflow.settings import load_settings

    home = load_settings().home.absolute()
    with attach(home, notify=print):
        print("PostgreSQL is up", flush=True)
        while answers(home):
            time.sleep(1)
    print("PostgreSQL does not answer", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
