-- The statements of retention.py that are not composed of identifiers.

-- select_runs_without_version --
-- The runs whose passport is recorded here and whose version is no longer registered.
SELECT run_id
FROM streamflow.passport
WHERE NOT run_id = ANY(%s)
ORDER BY created_at

-- select_superseded_revisions --
-- The revisions that nothing needs once the passports of the runs `gone` and the runs of `score`
-- `gone_scores` are deleted. A revision can go when a newer one has replaced it and no passport
-- names it. Passports of schema 1 name no revisions: every revision that was known when such a
-- passport was made stays. The lists of the newest scored drop of a model read the revisions that
-- were the newest ones when it was scored: these stay until it is scored again.
SELECT table_name, as_of, revision, known_at, rows, digest
FROM streamflow.revision r
WHERE EXISTS (SELECT FROM streamflow.revision n
              WHERE (n.table_name, n.as_of) = (r.table_name, r.as_of) AND n.revision > r.revision)
  AND NOT EXISTS (SELECT FROM streamflow.passport_source s
                  WHERE (s.table_name, s.as_of, s.revision) = (r.table_name, r.as_of, r.revision)
                    AND NOT s.run_id = ANY(%(gone)s))
  AND NOT EXISTS (SELECT FROM streamflow.passport p
                  WHERE r.known_at <= p.created_at AND NOT p.run_id = ANY(%(gone)s)
                    AND NOT EXISTS (SELECT FROM streamflow.passport_source s
                                    WHERE s.run_id = p.run_id))
  AND NOT EXISTS (SELECT FROM streamflow.score_run s
                  WHERE s.as_of = r.as_of AND s.known_at >= r.known_at
                    AND NOT s.id = ANY(%(gone_scores)s)
                    AND NOT EXISTS (SELECT FROM streamflow.score_run l
                                    WHERE l.model = s.model AND l.as_of > s.as_of
                                      AND NOT l.id = ANY(%(gone_scores)s))
                    AND NOT EXISTS (SELECT FROM streamflow.revision n
                                    WHERE (n.table_name, n.as_of) = (r.table_name, r.as_of)
                                      AND n.revision > r.revision AND n.known_at <= s.known_at))
ORDER BY table_name, as_of, revision

-- delete_passport_sources --
-- Delete the revisions that the passports of some runs name.
DELETE FROM streamflow.passport_source
WHERE run_id = ANY(%s)

-- delete_passports --
-- Delete the passports of some runs.
DELETE FROM streamflow.passport
WHERE run_id = ANY(%s)

-- insert_pruned_revision --
-- Record that a revision existed before it is deleted.
INSERT INTO streamflow.pruned (table_name, as_of, revision, known_at)
VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING

-- delete_revision_columns --
-- Delete the digests of the columns of a revision.
DELETE FROM streamflow.revision_column
WHERE table_name = %s AND as_of = %s AND revision = %s

-- delete_lake_revision --
-- Forget where the rows of a revision lie in the lake; its files are removed after the commit.
DELETE FROM streamflow.lake_revision
WHERE table_name = %s AND as_of = %s AND revision = %s

-- delete_revision --
-- Delete a revision. The foreign key refuses this while a passport names it.
DELETE FROM streamflow.revision
WHERE table_name = %s AND as_of = %s AND revision = %s
