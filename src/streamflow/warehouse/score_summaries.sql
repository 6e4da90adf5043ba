-- The statements of score_summaries.py that are not composed of identifiers.

-- expect_whole_drops --
-- Until the end of the transaction, plan for joins of whole drops: by hashes. PostgreSQL has no
-- statistics of a scoring run that was just written. It expects one row, and looks up each key by
-- itself.
SET LOCAL enable_nestloop = off;
SET LOCAL enable_sort = off

-- select_has_summary --
-- One row if a scoring run has its summary.
SELECT 1
FROM streamflow.score_summary
WHERE score_run = %s

-- insert_summary --
-- Add up the rows of a scoring run, the probabilities as whole numbers of a unit.
INSERT INTO streamflow.score_summary
    (score_run, trained_as_of, label_lead, expected, defaulted, oldest_as_of)
SELECT %(run)s, %(trained_as_of)s, %(label_lead)s,
       coalesce(sum((probability * %(units)s)::bigint), 0)::double precision / %(units)s,
       count(defaulted), min(features_as_of)
FROM streamflow.score
WHERE score_run = %(run)s

-- select_has_outcome --
-- One row if the outcome of a scoring run is recorded for a revision of the labels.
SELECT 1
FROM streamflow.score_outcome
WHERE score_run = %s AND label_as_of = %s AND label_revision = %s
LIMIT 1

-- select_segment_names --
-- The columns by which the rows of a scoring run are added up.
SELECT DISTINCT name
FROM streamflow.score_segment
WHERE score_run = %s

-- select_segments --
-- The categories of a scoring run, those with the most expected churn first.
SELECT name, value, users, answered, expected, flagged
FROM streamflow.score_segment
WHERE score_run = %s
ORDER BY name, expected DESC, value

-- select_segment_shares --
-- The expected share of each category in some scoring runs; null: no user has a probability.
SELECT score_run, name, value, expected / nullif(answered, 0) AS share
FROM streamflow.score_segment
WHERE score_run = ANY(%s)

-- delete_summaries --
-- Delete the summaries of some scoring runs.
DELETE FROM streamflow.score_summary
WHERE score_run = ANY(%s)

-- delete_segments --
-- Delete the categories of some scoring runs.
DELETE FROM streamflow.score_segment
WHERE score_run = ANY(%s)

-- delete_outcomes --
-- Delete the outcomes of some scoring runs.
DELETE FROM streamflow.score_outcome
WHERE score_run = ANY(%s)
