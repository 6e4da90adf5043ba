-- The statements of reproductions.py.

-- insert_reproduction --
-- Append what a reproduction of a version said.
INSERT INTO streamflow.reproduction
    (who, model, version, run_id, code, result, holds, levels)
VALUES (%(who)s, %(model)s, %(version)s, %(run_id)s, %(code)s, %(result)s, %(holds)s, %(levels)s)

-- select_newest_reproduction --
-- The newest reproduction of a version.
SELECT at, who, code, result, holds, levels
FROM streamflow.reproduction
WHERE model = %(model)s AND version = %(version)s AND run_id = %(run_id)s
ORDER BY id DESC
LIMIT 1
