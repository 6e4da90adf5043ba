"""Make Ctrl-C end a command, also where a library loses it.

Python raises KeyboardInterrupt wherever the main thread is at work. Some places drop it: a callback
of the memory management, the initialisation of a compiled library, an `except:` of a vendor. The
command would then go on. So after Ctrl-C a timer looks a moment later whether the interrupt is
still on its way, and raises it again if it is not.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

REPEAT_AFTER_S = 0.1
_exit_codes: list[int] = []


@contextmanager
def repeated_until_seen() -> Iterator[None]:
    """Raise Ctrl-C again and again in the block, until it is on its way out of the block.

    Nothing is changed if Ctrl-C is ignored, as in the background of a shell.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    # The alarm kills the process where it has no handler, so it has ours before the timer starts.
    former_alarm = signal.signal(signal.SIGALRM, _raise_again_if_lost)
    former_hook = sys.unraisablehook
    sys.unraisablehook = _hide_lost_interrupt
    try:
        signal.signal(signal.SIGINT, _raise_interrupt)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop_repeating()
        signal.signal(signal.SIGALRM, former_alarm)
        sys.unraisablehook = former_hook


def stop_repeating() -> None:
    """Do not raise the interrupt again: whoever calls this has dealt with it."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def end_process(code: int) -> NoReturn:
    """End the process like `sys.exit`, but without taking apart what is in memory.

    After Ctrl-C, threads of compiled libraries can still be at work. They crash the process if
    Python deletes what they use. Files and folders are closed and deleted as usual.
    """
    stop_repeating()
    _exit_codes.append(code)
    sys.exit(code)


# Python calls the functions that are registered first at last.
@atexit.register
def _leave_memory_alone() -> None:
    if not _exit_codes:
        return
    for stream in (sys.stdout, sys.stderr):
        # Nobody reads the output any more, or the command was started without it.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(_exit_codes[0])


def _raise_interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    # Only this function starts the timer. An alarm that comes while the timer is being stopped
    # must not start it again.
    signal.setitimer(signal.ITIMER_REAL, REPEAT_AFTER_S, REPEAT_AFTER_S)
    raise KeyboardInterrupt


def _raise_again_if_lost(_number: int, _frame: FrameType | None) -> None:
    # Python calls this function in the main thread between two instructions. While code there
    # closes what it used, because of the interrupt, Python still holds the interrupt for it.
    if not is_caused_by_interrupt(sys.exception()):
        raise KeyboardInterrupt


def is_caused_by_interrupt(error: BaseException | None) -> bool:
    """Return whether an error is Ctrl-C, or was raised while Ctrl-C was handled.

    Ctrl-C can make the code fail that closes files and connections. The error of that code then
    hides the interrupt, but Python stores the interrupt as its context.
    """
    waiting = [error]
    seen_ids: set[int] = set()
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen_ids:
            continue
        if isinstance(cause, KeyboardInterrupt):
            return True
        seen_ids.add(id(cause))
        waiting += [cause.__cause__, cause.__context__]
    return False


def _hide_lost_interrupt(lost: UnraisableHookArgs) -> None:
    """Print an exception that Python could not raise, unless it is Ctrl-C, which comes again."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
