-- The statements of inbox.py.

-- select_entries --
-- How the last processing of each folder ended.
SELECT folder, digest, as_of, status, error, at
FROM streamflow.inbox
ORDER BY as_of, folder

-- upsert_entry --
-- Record how the processing of a folder ended. The entry before is replaced.
INSERT INTO streamflow.inbox (folder, digest, as_of, status, error, at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (folder) DO UPDATE
SET digest = excluded.digest, as_of = excluded.as_of, status = excluded.status,
    error = excluded.error, at = excluded.at
