-- The statements of api_keys.py.

-- select_api_keys --
-- Every key that was ever made. Revoked keys stay in the table as a record.
SELECT id, name, scope, digest, created, expires, revoked
FROM streamflow.api_key
ORDER BY created, id

-- insert_api_key --
-- Store a new key. Only the digest of its secret is stored.
INSERT INTO streamflow.api_key (id, name, scope, digest, expires)
VALUES (%(id)s, %(name)s, %(scope)s, %(digest)s, %(expires)s)
RETURNING id, name, scope, digest, created, expires, revoked

-- revoke_api_keys --
-- Revoke the keys with this id or name that are not revoked yet.
UPDATE streamflow.api_key
SET revoked = clock_timestamp()
WHERE %(id_or_name)s IN (id, name) AND revoked IS NULL
RETURNING id, name, scope, digest, created, expires, revoked
