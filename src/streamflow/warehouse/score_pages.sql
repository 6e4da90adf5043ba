-- The statements of score_pages.py that are not composed of identifiers.

-- select_newest_runs --
-- For each of the newest scored drops, the run of the version that scored it last, with reasons
-- where that version has them for the same rows: a correction of the drop makes new ones. Its outcome is the one by the newest labels. A drop that was loaded
-- late can be an earlier one than the drop whose labels were counted before; then it counts.
SELECT r.id, r.at, r.as_of, r.known_at, r.version, r.run_id, r.threshold, r.explained, r.rows,
       r.flagged, r.missing, s.trained_as_of, s.label_lead, s.expected, s.defaulted,
       s.oldest_as_of, o.label_as_of, o.tenths,
       EXISTS (SELECT FROM streamflow.lake_revision l WHERE l.as_of = r.as_of) AS is_in_lake
FROM (SELECT DISTINCT ON (as_of) id, at, as_of, known_at, version, run_id,
             CASE WHEN threshold <= 1 THEN threshold END AS threshold, explained, rows, flagged,
             missing
      FROM (SELECT *, max(id) OVER (PARTITION BY as_of, version) AS last_id,
                   first_value(evidence - 'explained')
                       OVER (PARTITION BY as_of, version ORDER BY id DESC) AS last_evidence
            FROM streamflow.score_run WHERE model = %(model)s) AS runs
      ORDER BY as_of DESC, last_id DESC, evidence - 'explained' = last_evidence DESC,
               explained DESC, id DESC
      LIMIT %(limit)s) AS r
LEFT JOIN streamflow.score_summary s ON s.score_run = r.id
LEFT JOIN LATERAL (
    SELECT label_as_of,
           jsonb_agg(jsonb_build_array(bin, users, expected, churned) ORDER BY bin) AS tenths
    FROM streamflow.score_outcome
    WHERE score_run = r.id
    GROUP BY label_as_of, label_revision
    ORDER BY label_as_of, label_revision DESC
    LIMIT 1) AS o ON true
ORDER BY r.as_of DESC

-- select_last_searched --
-- The last of the users that a search has read, in the order of a list.
SELECT probability, key
FROM (SELECT probability, key
      FROM streamflow.score
      WHERE score_run = %(run)s AND (probability, key) < (%(probability)s, %(key)s)
      ORDER BY probability DESC, key DESC
      LIMIT %(searched)s) AS searched
ORDER BY probability, key
LIMIT 1

-- select_scores_of_key --
-- The answers of some scoring runs about one user, the newest drop first.
SELECT r.id AS run, r.at, r.as_of, r.version, s.probability, s.prediction, s.missing, s.defaulted,
       s.features_as_of, s.reasons
FROM streamflow.score_run r JOIN streamflow.score s ON s.score_run = r.id AND s.key = %(key)s
WHERE r.id = ANY(%(runs)s)
ORDER BY r.as_of DESC

-- select_answers_about_key --
-- The newest answers of the API and of `predict` about one user.
SELECT at, as_of, version, probability, prediction
FROM streamflow.prediction_log
WHERE key = %(key)s
ORDER BY at DESC
LIMIT %(limit)s

-- select_newest_drop --
-- The newest frozen drop of a table.
SELECT max(as_of)
FROM streamflow.revision
WHERE table_name = %s
