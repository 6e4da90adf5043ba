-- The statements of revision_writing.py that are not composed of identifiers.

-- select_next_number --
-- The number of the next revision of one table of a drop.
SELECT coalesce(max(revision), 0) + 1
FROM streamflow.revision
WHERE table_name = %s AND as_of = %s

-- select_next_known_at --
-- The known_at of new revisions: later than that of every revision before.
SELECT greatest(clock_timestamp(),
                (SELECT max(known_at) + interval '1 microsecond' FROM streamflow.revision))

-- insert_revision --
-- Enter a revision. From its commit on, reads can see its rows.
INSERT INTO streamflow.revision (table_name, as_of, revision, known_at, rows, digest)
VALUES (%s, %s, %s, %s, %s, %s)

-- insert_revision_column --
-- Enter one column of a revision with its digest.
INSERT INTO streamflow.revision_column (table_name, as_of, revision, name, type, buckets)
VALUES (%s, %s, %s, %s, %s, %s)
