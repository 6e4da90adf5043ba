-- The statements of known_at.py.

-- select_current_known_at --
-- The instant up to which a read from now on sees revisions.
SELECT greatest(clock_timestamp(), max(known_at)) AS known_at
FROM streamflow.revision
