-- The statements of skew.py that are not composed of identifiers.

-- sample_predictions --
-- A sample of the logged predictions of a model. They are ordered by a hash, so the same seed
-- takes the same predictions, however many there are.
SELECT at, request_id, key, version, probability, features, service, views,
       coalesce(defaulted, '[]') AS defaulted, code
FROM streamflow.prediction_log
WHERE model = %(model)s AND at >= coalesce(%(since)s::timestamptz, '-infinity')
ORDER BY md5(%(seed)s::text || ':' || id)
LIMIT %(rows)s

-- select_known_revisions --
-- Every revision that was ever known here, and whether it is pruned. A value that was known in the
-- time of a pruned revision must not be taken from an older revision.
SELECT table_name, as_of, revision, known_at, false
FROM streamflow.revision
UNION ALL
SELECT table_name, as_of, revision, known_at, true
FROM streamflow.pruned p
WHERE NOT EXISTS (SELECT FROM streamflow.revision r
                  WHERE (r.table_name, r.as_of, r.revision) = (p.table_name, p.as_of, p.revision))

-- select_newest_skew --
-- What the newest runs of `skew` counted.
SELECT id, at, since, sampled, not_comparable, compared, stale, late, type, code, unexplained,
       probabilities, probabilities_differ
FROM streamflow.skew_report
ORDER BY id DESC
LIMIT %s
