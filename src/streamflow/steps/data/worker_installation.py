"""Work for the workers of the engine, which they refuse if they are installed differently.

Two versions of our code or of a package can give two results, and nobody would see it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from streamflow.runtime import code_digest

# The packages that compute a digest, a probability or a reason.
READING_PACKAGES = ("numpy", "polars", "pyarrow")
PREDICTING_PACKAGES = ("numpy", "polars", "scikit-learn", "scipy", "treelite")


@dataclass(frozen=True, kw_only=True)
class CheckedWork:
    """A function with what it was sent from.

    Attributes:
        work: a function of one argument.
        code: the digest of the code that sends this work.
        versions: package -> its version where this work is sent from.
    """

    work: Callable[[Any], Any]
    code: str
    versions: Mapping[str, str]

    def __call__(self, argument: Any) -> Any:
        """Do the work.

        Raises:
            ValueError: the code of this worker, or a package, is not that of the command.
        """
        if code_digest() != self.code:
            raise ValueError(
                "this worker has a different code of streamflow than the command: install the same"
                " version on the workers, and start them again"
            )
        for package, installed in read_versions(tuple(self.versions)).items():
            if installed != self.versions[package]:
                raise ValueError(
                    f"this worker has {package} {installed}, and the command has"
                    f" {self.versions[package]}: install the same version on the workers, and"
                    " start them again"
                )
        return self.work(argument)


def check_installation(work: Callable[[Any], Any], packages: tuple[str, ...]) -> CheckedWork:
    """Return a function that works only where code and packages are those of this process."""
    return CheckedWork(work=work, code=code_digest(), versions=read_versions(packages))


@cache
def read_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of some packages that are installed here."""
    return {package: version(package) for package in packages}
