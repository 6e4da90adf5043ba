"""Forms with files, in whatever pieces they arrive."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.web.multipart import (
    MAX_HEAD_BYTES,
    FormPart,
    MultipartMalformed,
    MultipartReader,
    find_boundary,
)

BOUNDARY = b"----x"


class Collected:
    """Keeps the parts of a form."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str | None, bytes]] = []
        self._part: FormPart | None = None
        self._content = b""

    def begin(self, form_part: FormPart) -> None:
        assert self._part is None
        self._part = form_part
        self._content = b""

    def write(self, content: bytes) -> None:
        self._content += content

    def end(self) -> None:
        assert self._part is not None
        self.parts.append((self._part.name, self._part.file_name, self._content))
        self._part = None


def body_of(parts: list[tuple[str, str | None, bytes]]) -> bytes:
    body = b""
    for name, file_name, content in parts:
        file = "" if file_name is None else f'; filename="{file_name}"'
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\nContent-Type: a/b'
        body += b"--" + BOUNDARY + b"\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + b"--" + BOUNDARY + b"--\r\n"


def read(body: bytes, sizes: list[int]) -> list[tuple[str, str | None, bytes]]:
    collected = Collected()
    reader = MultipartReader(BOUNDARY, collected)
    for size in sizes:
        reader.feed(body[:size])
        body = body[size:]
    reader.feed(body)
    reader.finish()
    return collected.parts


names = st.text(st.characters(codec="utf-8", exclude_characters='"\r\n'), max_size=8)
contents = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"\r\n--", b"----", b"\r\n----", b"a", b"\x00\xff"])
).map(b"".join)
parts = st.lists(st.tuples(names, st.none() | names, contents), max_size=4)


@given(parts, st.lists(st.integers(1, 40), max_size=60))
def test_a_form_is_the_same_in_whatever_pieces_it_arrives(
    form: list[tuple[str, str | None, bytes]], sizes: list[int]
) -> None:
    form = [(name, file, content.replace(b"--" + BOUNDARY, b"")) for name, file, content in form]
    form = [part for part in form if b"--" + BOUNDARY not in part[2]]
    assert read(body_of(form), sizes) == form


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--",
        body_of([("a", "b", b"c")])[:-6],
        b"------x?",
        b"------x\r\n\r\n\r\nabc",
        b'------x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\r\n------x--',
        b"------x\r\n" + b"a" * (MAX_HEAD_BYTES + 1),
        body_of([("a", None, b"")] * 300),
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(MultipartMalformed):
        read(body, [])


@given(st.binary(max_size=200))
def test_no_bytes_are_an_unforeseen_error(body: bytes) -> None:
    with suppress(MultipartMalformed):
        read(b"------x\r\n" + body, [7, 3, 50])


@pytest.mark.parametrize(
    "content_type", ["", "text/html", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_without_a_boundary_there_is_no_form(content_type: str) -> None:
    with pytest.raises(MultipartMalformed):
        find_boundary(content_type)
