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
#: A type has at most 1,000 characters: Python's parser is not made for hostile text of any length.
HEADER = re.compile(
    rb"\{'descr': (?P<type>.{1,1000}), 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]*)\), \} *\n"
)


def read_npy(content: bytes) -> NDArray[Any]:
    """Return the array of a file, without any copy. It cannot be changed.

    NumPy's own function parses each header as a Python expression. The types of our arrays are
    few, so each is parsed once here.

    Raises:
        ValueError: the content is no array, or an array of objects, or has a length without bytes.

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
    else:
        array_type = _parse_type(header["type"])
        shape = tuple(int(number) for number in header["shape"].split(b",") if number.strip())
        array = np.frombuffer(content, array_type, offset=begin).reshape(shape)
    require_filled(array)
    return array


def require_filled(array: NDArray[Any]) -> None:
    """Raise ValueError when an array has a length without bytes.

    An array of the shape (10**12, 0) takes no memory, but a list of its rows takes all there is.

    >>> require_filled(np.empty((10**12, 0)))
    Traceback (most recent call last):
    ValueError: an array of the shape (1000000000000, 0) has 0 bytes
    """
    if max(array.shape, default=0) > array.nbytes:
        raise ValueError(f"an array of the shape {array.shape} has {array.nbytes} bytes")


@cache
def _parse_type(text: bytes) -> np.dtype[Any]:
    """Parse the type of an array. `np.frombuffer` refuses a type with objects."""
    return np.lib.format.descr_to_dtype(literal_eval(text.decode("latin-1")))
