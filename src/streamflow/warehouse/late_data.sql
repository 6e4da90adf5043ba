-- The statements of late_data.py that are not composed of identifiers. They read every revision
-- that ever was: a revision that is pruned now was known as well.

-- select_newest_known --
-- The newest revision of a drop that was known at an instant, and whether it is still frozen.
SELECT revision, is_frozen
FROM (SELECT table_name, as_of, revision, known_at, true AS is_frozen FROM streamflow.revision
      UNION ALL
      SELECT table_name, as_of, revision, known_at, false FROM streamflow.pruned) AS known
WHERE table_name = %(table)s AND as_of = %(as_of)s AND known_at <= %(known_at)s
ORDER BY revision DESC
LIMIT 1

-- select_first_known_at --
-- When the first revision of a drop became known.
SELECT min(known_at)
FROM (SELECT table_name, as_of, known_at FROM streamflow.revision
      UNION ALL
      SELECT table_name, as_of, known_at FROM streamflow.pruned) AS known
WHERE table_name = %(table)s AND as_of = %(as_of)s

-- select_all_first_known --
-- When the first revision of each drop of each table became known.
SELECT table_name, as_of, min(known_at)
FROM (SELECT table_name, as_of, known_at FROM streamflow.revision
      UNION ALL
      SELECT table_name, as_of, known_at FROM streamflow.pruned) AS known
GROUP BY table_name, as_of
