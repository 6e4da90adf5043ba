"""The public names of streamflow with their types: see `__init__.py`, which imports them late."""

from streamflow import errors as errors
from streamflow.base_error import StreamflowError as StreamflowError
from streamflow.python_api.installation import Installation as Installation
from streamflow.python_api.installation import open_installation as open  # noqa: A004 - public name
from streamflow.python_api.installation import simulate as simulate

__version__: str
__all__ = ["Installation", "StreamflowError", "__version__", "errors", "open", "simulate"]
