"""The files of versions that were exported from a page, until they are downloaded.

Such a file holds personal data. Only the user who runs the console can read it.
"""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

FOLDER = "console-exports"


class ExportFolder:
    """The files that jobs have exported. There is at most one, that of the newest export.

    Args:
        home: the state folder of the installation.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def file_of(self, job_id: str) -> Path:
        """Return where a job puts its file."""
        return self._folder / f"{job_id}.version"

    def make_room(self) -> None:
        """Remove the file of an earlier export, and make the folder for a new one."""
        self.clear()
        self._folder.mkdir(mode=0o700)

    def clear(self) -> None:
        """Remove all files. Who is downloading one of them still gets it to its end."""
        if self._folder.exists():
            rmtree(self._folder)

    def remove(self, job_id: str) -> None:
        """Remove the file of a job, if there is one."""
        self.file_of(job_id).unlink(missing_ok=True)
