"""Who may write the files that this process makes."""

from __future__ import annotations

import os

# Write permission of the group and of everybody. A user who can write into the state folder can
# plant a model or a feature definition there, so we never allow it, whatever the umask is.
GROUP_AND_OTHERS_WRITE = 0o022


def deny_writing_to_others() -> int:
    """Let the files that this process makes be writable for their owner alone.

    Returns:
        the former umask.
    """
    former = os.umask(0)
    os.umask(former | GROUP_AND_OTHERS_WRITE)
    return former
