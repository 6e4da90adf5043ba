"""Read an array in NumPy's own file format, of which a model file has hundreds."""

from __future__ import annotations

import re
from ast import literal_eval
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The beginning of a file of version 1: a mark, the version, and the length of the header.
MARK = b"\x93NUMPY\x01\x00"
HEADER_BEGIN = len(MARK) + 2
HEADER = re.compile(
    rb"\{'descr': (?P<type>.+), 'fortran_order': False, 'shape': \((?P<shape>[0-9, ]*)\), \} *\n"
)


def read_npy(content: bytes) -> NDArray[Any]:
    """Return the array of a file, without any copy. It cannot be changed.

    NumPy's own function parses each header as a Python expression. The types of our arrays are
    few, so each is parsed once here.

    Raises:
        ValueError: the content is no array, or an array of objects.

    >>> file = BytesIO()
    >>> np.save(file, np.array([[1, 2]]))
    >>> read_npy(file.getvalue()).tolist()
    [[1, 2]]
    """
    length = int.from_bytes(content[len(MARK) : HEADER_BEGIN], "little")
    begin = HEADER_BEGIN + length
    header = HEADER.fullmatch(content[HEADER_BEGIN:begin])
    if not content.startswith(MARK) or header is None:
        array: NDArray[Any] = np.lib.format.read_array(BytesIO(content), allow_pickle=False)
        return array
    array_type = _parse_type(header["type"])
    shape = tuple(int(number) for number in header["shape"].split(b",") if number.strip())
    return np.frombuffer(content, array_type, offset=begin).reshape(shape)


@cache
def _parse_type(text: bytes) -> np.dtype[Any]:
    """Parse the type of an array. `np.frombuffer` refuses a type with objects."""
    return np.lib.format.descr_to_dtype(literal_eval(text.decode("latin-1")))
