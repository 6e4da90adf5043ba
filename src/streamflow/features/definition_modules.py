"""Run the files of a feature repository: the generated definitions, and the files of the owner.

Each file becomes a module with the name that it has for a stock `feast apply`: `definitions`, and
`features.NAME` for a file of the owner. So a file may import objects of a different one. The
present content of the files is run, never a bytecode cache, and `sys.modules` is as before
afterwards.
"""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path
from traceback import extract_tb
from types import CodeType, ModuleType

from streamflow.errors import FeatureFileInvalid
from streamflow.features.own_files import OWN_FOLDER, OwnFile

GENERATED = "definitions"  # the module with the objects that the catalog generates


@dataclass(frozen=True, kw_only=True)
class DefinitionModules:
    """The modules of a feature repository.

    Attributes:
        generated: The objects of the catalog and of the registered versions.
        own_modules: Each file of the owner, with its module.
    """

    generated: ModuleType
    own_modules: Sequence[tuple[OwnFile, ModuleType]]


class _TextLoader(SourceFileLoader):
    """Compile a text that was read before, whatever a bytecode cache holds."""

    def __init__(self, fullname: str, path: Path, text: str) -> None:
        super().__init__(fullname, str(path))
        self._text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        """Return the code of the module."""
        return compile(self._text, self.path, "exec")


class _RepositoryFinder(MetaPathFinder):
    """Find the modules of a feature repository."""

    def __init__(self, loaders: Mapping[str, _TextLoader]) -> None:
        self._loaders = loaders

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Return how to load a module of the repository; None: it is a different module."""
        if fullname == OWN_FOLDER:
            return ModuleSpec(fullname, None, is_package=True)
        loader = self._loaders.get(fullname)
        return None if loader is None else spec_from_loader(fullname, loader)


def run_files(folder: Path, own_files: Sequence[OwnFile]) -> DefinitionModules:
    """Run `definitions.py` of a feature repository, and the files of the owner.

    Args:
        folder: the feature repository.
        own_files: the files of the owner.

    Raises:
        FeatureFileInvalid: a file of the owner cannot be run. The error names file and line.
    """
    path = folder / f"{GENERATED}.py"
    text = path.read_text(encoding="utf-8")
    loaders = {GENERATED: _TextLoader(GENERATED, path, text)}
    for file in own_files:
        name = _module_name(file)
        loaders[name] = _TextLoader(name, file.path, file.text)
    linecache.checkcache()  # Feast reads the text of functions from the files
    with _importable(loaders):
        generated = importlib.import_module(GENERATED)
        own_modules = [(file, _import_own(file, own_files)) for file in own_files]
    return DefinitionModules(generated=generated, own_modules=own_modules)


@contextmanager
def _importable(loaders: Mapping[str, _TextLoader]) -> Iterator[None]:
    """Let the modules of a repository be imported within the block, and forget them afterwards."""
    names = {OWN_FOLDER, *loaders}
    former = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
    finder = _RepositoryFinder(loaders)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(former)


def _module_name(file: OwnFile) -> str:
    return f"{OWN_FOLDER}.{file.path.stem}"


def _import_own(file: OwnFile, own_files: Sequence[OwnFile]) -> ModuleType:
    """Run a file of the owner.

    Raises:
        FeatureFileInvalid: whatever the file raised, and where it did.
    """
    try:
        return importlib.import_module(_module_name(file))
    except (Exception, SystemExit) as exc:
        location = _find_line(exc, {str(own_file.path) for own_file in own_files}) or str(file.path)
        text = exc.msg if isinstance(exc, SyntaxError) else exc
        raise FeatureFileInvalid(f"{location}: {type(exc).__name__}: {text}") from exc


def _find_line(error: BaseException, paths: Set[str]) -> str:
    """Return the file of the owner and the line where an error was raised, for a message.

    Returns:
        "PATH, line N", or an empty text if the error was raised in no file of the owner.
    """
    if isinstance(error, SyntaxError) and error.filename in paths:
        return f"{error.filename}, line {error.lineno}"
    for frame in reversed(extract_tb(error.__traceback__)):
        if frame.filename in paths:
            return f"{frame.filename}, line {frame.lineno}"
    return ""
