"""Say in words why a server did not answer."""

from __future__ import annotations


def describe_network_error(error: Exception) -> str:
    """Describe a failed request, without the number of the operating system's error.

    >>> describe_network_error(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    >>> describe_network_error(TimeoutError())
    'TimeoutError'
    """
    # urllib wraps the error of the operating system.
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__
