"""Who asks for a change: a person at the command line, or the owner of a key of the console."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Requester:
    """Who asks for a change of a stage, and what this person saw before.

    who           the name for the ledger; empty: the login name of this process
    newest_entry  the number of the newest entry of the ledger that the person saw; None: the change
                  is made whatever happened since
    """

    who: str = ""
    newest_entry: int | None = None

    @property
    def name(self) -> str:
        """Return the name that the ledger gets.

        A container may run as a number that has no name: then the number is the name.
        """
        if self.who:
            return self.who
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return f"user {os.getuid()}"


COMMAND_LINE = Requester()
