-- The statements of passports.py.

-- select_passport_digests --
-- The digests of the passports of some runs of a model.
SELECT run_id, version, digest
FROM streamflow.passport
WHERE model = %s AND run_id = ANY(%s)
