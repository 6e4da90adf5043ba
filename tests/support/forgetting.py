"""What must hold once a key was forgotten, whatever worked beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from streamflow.api.batcher import Batcher
from streamflow.api.metrics import Metrics
from streamflow.api.pending_request import Answer
from streamflow.core.data.digest import digest_frame
from streamflow.database.pool import open_pool
from streamflow.platform import Platform
from streamflow.steps.serving.predict import load_serving
from streamflow.steps.upkeep.doctor.contents import check_forgotten_keys
from streamflow.warehouse import frozen
from streamflow.web.request_context import Notes

# A version that was registered after an erasure names the digest from before it.
TRAINED_ON_ERASED = """
SELECT count(*)
FROM streamflow.passport p JOIN streamflow.passport_source s USING (run_id)
JOIN streamflow.erasure e USING (table_name, as_of, revision)
WHERE p.created_at > e.at AND s.digest = e.old_digest
"""


def tables_that_mention(platform: Platform, key: str) -> list[str]:
    """The tables of ours in which a key stands anywhere; of the prediction log its months."""
    names = platform.connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace::regnamespace::text IN ('raw', 'frozen', 'online', 'streamflow')"
        " ORDER BY 1"
    ).fetchall()
    query = "SELECT count(*) FROM {} t WHERE t::text LIKE '%' || {} || '%'"
    found = []
    for (name,) in names:
        row = platform.connection.execute(query.format(name, f"'{key}'")).fetchone()  # type: ignore[arg-type]
        if row and row[0]:
            found.append(name)
    return found


def answer_by_api(platform: Platform, keys: Sequence[str]) -> list[Answer]:
    """What the API answers to one request for these keys, by its queue and its pool."""
    serving = load_serving(platform)

    async def answer() -> list[Answer]:
        pool = open_pool(platform.address, time_limit=60)
        await pool.open()
        batcher = Batcher(
            pool, lambda: serving, Metrics(), time_limit=60, max_waiting=100, shed=False
        )
        batcher.start()
        try:
            _, answers = await batcher.answer(keys, Notes(request_id="a request"))
        finally:
            await batcher.stop()
            await pool.close()
        return answers

    return asyncio.run(answer())


def require_forgotten(platform: Platform, key: str) -> None:
    """No table holds the key, no later version was trained on it, and every digest is right."""
    assert tables_that_mention(platform, key) == []
    finding = check_forgotten_keys(platform)
    assert (finding.state, finding.text) == ("ok", "1 key forgotten, and no table holds them")
    assert platform.connection.execute(TRAINED_ON_ERASED).fetchone() == (0,)
    entity = platform.catalog.entity.key
    for revision in frozen.all_revisions(platform.connection):
        recorded = frozen.stored_digest(platform.connection, revision)
        types = {column.name: column.type for column in recorded.columns}
        rows = frozen.read_rows(
            platform.address, revision.table, types, [(revision.as_of, revision.revision)]
        )
        digest = digest_frame(rows.drop("as_of"), key=entity, types=types)
        assert (digest.value, digest.rows) == (revision.digest, revision.rows)
