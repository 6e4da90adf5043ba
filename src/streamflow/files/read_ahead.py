"""Read the next batch of a file while this one is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")


def read_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Pass batches on, and read the next one in a thread meanwhile. An error comes in its turn."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as executor:
        pending = executor.submit(next, batches, None)
        while (batch := pending.result()) is not None:
            pending = executor.submit(next, batches, None)
            yield batch
