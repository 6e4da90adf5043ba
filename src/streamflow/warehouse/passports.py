"""The digests of passports, as they were when the versions were registered."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from streamflow.database.sql_files import load_queries

QUERIES = load_queries(__file__, "passports.sql")


def passport_digests(
    connection: psycopg.Connection,
    model: str,
    run_ids: Sequence[str],
) -> dict[tuple[str, int], str]:
    """Read the digests of the passports of some runs.

    Returns:
        (run id, version) -> digest; a version that streamflow did not register is missing.
    """
    rows = connection.execute(QUERIES["select_passport_digests"], [model, list(run_ids)])
    return {(run_id, version): digest for run_id, version, digest in rows}
