"""The entry point of the command `streamflow`, which is the same as `python -m streamflow`.

It imports almost nothing itself: Ctrl-C while our imports are running must not show a traceback.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# The exit code of a shell for a command that SIGINT ended.
INTERRUPTED_EXIT_CODE = 130
REPEAT_AFTER_S = 0.05
INTERRUPTED = "interrupted: what was not committed is rolled back; you can run the command again"


def main() -> None:
    """Run the command line. Ctrl-C ends it with one line and the exit code 130."""
    sys.unraisablehook = repeat_lost_interrupt
    try:
        from streamflow.cli.app import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        _end_interrupted()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = sys.__unraisablehook__


def repeat_lost_interrupt(lost: UnraisableHookArgs) -> None:
    """Raise Ctrl-C again a moment later if it came where Python can only print an exception.

    Such a place is a callback of the memory management. Without this the command would go on.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, REPEAT_AFTER_S)


def _end_interrupted() -> NoReturn:
    # A second Ctrl-C while Python is ending kills the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print(INTERRUPTED, file=sys.stderr)
    sys.exit(INTERRUPTED_EXIT_CODE)


if __name__ == "__main__":
    main()
