"""What `keys create` refuses before it opens a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import called


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("crm", "--expires", "36501"), "less than or equal to 36500"),
        (("crm", "--expires", "99999999999"), "less than or equal to 36500"),
        (("",), "the name is empty"),
        ((" ",), "the name is empty"),
    ],
)
def test_a_key_that_cannot_be_stored_is_a_wrong_argument(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    said = called(tmp_path, "keys", "create", "--scope", "read", *arguments)
    assert said.returncode == 2, said.stderr
    assert problem in said.stderr
