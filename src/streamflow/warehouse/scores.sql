-- The statements of scores.py that are not composed of identifiers.

-- select_run --
-- The scoring run on one evidence. A threshold that no probability reaches becomes null.
SELECT id, at, as_of, known_at, model, version, run_id,
       CASE WHEN threshold <= 1 THEN threshold END AS threshold, explained, rows, flagged, missing,
       digest, evidence_digest
FROM streamflow.score_run
WHERE evidence_digest = %s

-- select_evidence --
-- The evidence of a scoring run: everything from which its scores were made.
SELECT evidence
FROM streamflow.score_run
WHERE id = %s

-- select_next_id --
-- The id of the next scoring run.
SELECT nextval('streamflow.score_run_id')

-- select_run_ids --
-- The MLflow runs whose versions have scored.
SELECT DISTINCT run_id
FROM streamflow.score_run
ORDER BY 1

-- select_unneeded_runs --
-- The scoring runs that can be deleted: a newer run has scored the same drop with the same version
-- and explains at least as much or has scored different rows, or the version is deleted, or the run is too old.
SELECT id
FROM streamflow.score_run r
WHERE EXISTS (SELECT FROM streamflow.score_run n
              WHERE (n.model, n.version, n.as_of) = (r.model, r.version, r.as_of)
                AND n.id > r.id
                AND (n.explained >= r.explained
                     OR n.evidence - 'explained' <> r.evidence - 'explained'))
   OR r.run_id = ANY(%(gone)s)
   OR r.at < clock_timestamp() - make_interval(days => %(days)s::int)
ORDER BY id

-- delete_scores --
-- Delete the scores of some runs.
DELETE FROM streamflow.score
WHERE score_run = ANY(%s)

-- delete_runs --
-- Delete some scoring runs.
DELETE FROM streamflow.score_run
WHERE id = ANY(%s)
