"""The pages of the API need nothing of the internet, and their files are those that we reviewed."""

from __future__ import annotations

from hashlib import sha256

from streamflow.api.docs_pages import FILES_FOLDER, PAGE_FILE_PATHS
from streamflow.api.endpoint_scopes import required_scope


def test_the_files_of_the_pages_are_those_that_were_copied() -> None:
    lines = (FILES_FOLDER / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    digests = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {file.name: file for file in FILES_FOLDER.iterdir() if file.name != "SHA256SUMS"}
    assert files.keys() == digests.keys()
    for name, file in files.items():
        assert sha256(file.read_bytes()).hexdigest() == digests[name]


def test_each_file_of_a_page_may_be_read_by_who_may_read_the_page() -> None:
    assert {required_scope(path) for path in PAGE_FILE_PATHS} == {"read"}
    names = {path.rpartition("/")[2] for path in PAGE_FILE_PATHS}
    assert names <= {file.name for file in FILES_FOLDER.iterdir()}
