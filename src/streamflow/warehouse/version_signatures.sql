-- The statements of version_signatures.py.

-- insert_signature --
-- The signature of a version by one key. A second one by the same key changes nothing.
INSERT INTO streamflow.version_signature (run_id, model, version, key_id, signature)
VALUES (%(run_id)s, %(model)s, %(version)s, %(key_id)s, %(signature)s)
ON CONFLICT (run_id, model, version, key_id) DO NOTHING

-- select_signatures --
-- The signatures of a version.
SELECT key_id, signature
FROM streamflow.version_signature
WHERE run_id = %(run_id)s
  AND model = %(model)s
  AND version = %(version)s
ORDER BY key_id
