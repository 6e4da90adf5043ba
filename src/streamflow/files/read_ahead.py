"""Work on several batches of a file at the same time, in the order of the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Pass batches on, and read the next one in a thread meanwhile. An error comes in its turn."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as executor:
        pending = executor.submit(next, batches, None)
        while (batch := pending.result()) is not None:
            pending = executor.submit(next, batches, None)
            yield batch


def map_ahead(
    function: Callable[[Batch], Result],
    batches: Iterable[Batch],
    *,
    threads: int = 2,
) -> Iterator[Result]:
    """Apply a function to several batches at the same time. The results keep their order.

    The batches themselves are taken in the thread of the caller, one more than there are threads.

    >>> list(map_ahead(len, ["a", "bc", "def"]))
    [1, 2, 3]
    """
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="map-ahead") as executor:
        pending: deque[Future[Result]] = deque()
        for batch in batches:
            pending.append(executor.submit(function, batch))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
