"""Stand-ins for the objects of a model file, with the attributes that our code reads.

No class of scikit-learn is imported, and nothing is constructed by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Reads a node of the file: a plain value, an array, or a stand-in.
ReadNode = Callable[[Mapping[str, Any]], Any]


class FileObject:
    """An object of a model file. An attribute is read from the file when it is first used.

    Args:
        type_name: the full name of the class that the file names.
        attributes: name of each attribute -> its node in the file.
        read_node: reads a node.
    """

    def __init__(
        self,
        type_name: str,
        attributes: Mapping[str, Mapping[str, Any]],
        read_node: ReadNode,
    ) -> None:
        self.type_name = type_name
        self._attributes = attributes
        self._read_node = read_node

    def __getattr__(self, name: str) -> Any:
        """Read an attribute. Python calls this for an attribute that is not set yet."""
        if name.startswith("__") or name not in self._attributes:
            raise AttributeError(name)
        value = self._read_node(self._attributes[name])
        setattr(self, name, value)
        return value


class FilePipeline(FileObject):
    """A pipeline of a model file."""

    @property
    def named_steps(self) -> dict[str, Any]:
        """Return name -> step, in their order."""
        return dict(self.steps)


class FileTree:
    """A tree of a forest. The names are those of scikit-learn's own class.

    Args:
        n_features: the number of columns that it may compare.
        n_outputs: the number of answers.
        state: name -> array or number, as scikit-learn pickles a tree.
    """

    def __init__(self, n_features: int, n_outputs: int, state: dict[str, Any]) -> None:
        self.n_features = n_features
        self.n_outputs = n_outputs
        self._state = state

    def __getstate__(self) -> dict[str, Any]:
        """Return the arrays of the tree under the names that scikit-learn gives them."""
        return self._state

    @property
    def value(self) -> NDArray[np.float64]:
        """Return the share of each class in each node, (nodes, 1, classes)."""
        values: NDArray[np.float64] = self._state["values"]
        return values

    def __getattr__(self, name: str) -> NDArray[Any]:
        """Return an array with a value per node."""
        columns = {"children_left": "left_child", "children_right": "right_child"}
        column = columns.get(name, name)
        nodes = self.__dict__.get("_state", {}).get("nodes")
        if nodes is None or column not in nodes.dtype.names:
            raise AttributeError(name)
        array: NDArray[Any] = nodes[column]
        return array


def type_name_of(model_part: object) -> str:
    """Return the full name of the class of a part of a model, or of its stand-in."""
    if isinstance(model_part, FileObject):
        return model_part.type_name
    return f"{type(model_part).__module__}.{type(model_part).__qualname__}"
