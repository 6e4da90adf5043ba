"""The entry point of the command `streamflow`, which is the same as `python -m streamflow`.

It imports almost nothing itself: Ctrl-C while our imports are running must not show a traceback.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from streamflow.interrupts import end_process, repeated_until_seen

# The exit code of a shell for a command that SIGINT ended.
INTERRUPTED_EXIT_CODE = 130
INTERRUPTED = "interrupted: what was not committed is rolled back; you can run the command again"


def main() -> None:
    """Run the command line. Ctrl-C ends it with one line and the exit code 130."""
    try:
        with repeated_until_seen():
            from streamflow.cli.app import main as run_command_line

            run_command_line()
    except KeyboardInterrupt:
        _end_interrupted()


def _end_interrupted() -> NoReturn:
    # A second Ctrl-C while Python is ending kills the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print(INTERRUPTED, file=sys.stderr)
    end_process(INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()
