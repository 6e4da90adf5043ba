-- The statements of installation.py.

-- select_installation_table --
-- Null when the database was never migrated.
SELECT to_regclass('streamflow.installation')

-- select_installation --
-- What the last migration left: the version of the fixed tables, and two digests.
SELECT (SELECT version_num FROM streamflow.alembic_version), catalog_digest, repository_digest
FROM streamflow.installation

-- upsert_installation --
-- Record what the database has just been migrated to. The table has one row.
INSERT INTO streamflow.installation (catalog_digest, repository_digest)
VALUES (%s, %s)
ON CONFLICT (singleton) DO UPDATE
SET catalog_digest = excluded.catalog_digest, repository_digest = excluded.repository_digest,
    migrated_at = clock_timestamp()

-- select_feature_services --
-- Every feature service that was ever defined here, the oldest first.
SELECT name, features
FROM streamflow.feature_service
ORDER BY created_at, name

-- insert_feature_service --
-- Record a feature service. A service that exists stays as it is.
INSERT INTO streamflow.feature_service (name, features)
VALUES (%s, %s)
ON CONFLICT (name) DO NOTHING
