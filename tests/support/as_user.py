"""Run a command as a different user of this machine: `python -m support.as_user NAME ARGUMENTS`."""

from __future__ import annotations

import os
import pwd
import sys


def main() -> None:
    """Become the user, and then the command."""
    user = pwd.getpwnam(sys.argv[1])
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.chdir("/")
    os.environ.update({"HOME": "/", "USER": user.pw_name, "LOGNAME": user.pw_name})
    sys.argv = ["streamflow", *sys.argv[2:]]
    from streamflow.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
