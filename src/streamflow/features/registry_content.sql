-- registry_tables --
-- The tables of Feast's registry whose rows belong to a project.
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'feast' AND column_name = 'project_id'
ORDER BY table_name

-- registered_names --
-- The views and services of a project in Feast's registry.
SELECT 'view ' || feature_view_name FROM feast.feature_views WHERE project_id = %(project)s
UNION ALL
SELECT 'service ' || feature_service_name FROM feast.feature_services
WHERE project_id = %(project)s

-- views_with_table --
-- The views of a project that have a live table. An on-demand view has none.
SELECT feature_view_name FROM feast.feature_views WHERE project_id = %s
UNION ALL
SELECT feature_view_name FROM feast.stream_feature_views WHERE project_id = %s

-- frozen_columns --
-- The columns of a frozen table with their SQL types.
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped

-- has_registry --
-- Whether Feast's registry exists: `feast teardown` and a new database have none of its tables.
SELECT to_regclass('feast.feature_views') IS NOT NULL
    AND to_regclass('feast.feature_services') IS NOT NULL
    AND to_regclass('feast.feature_view_version_history') IS NOT NULL

-- delete_orphaned_versions --
-- `feast teardown` leaves the versions of the views that it deletes: the next apply would insert
-- version 0 of each view a second time.
DELETE FROM feast.feature_view_version_history AS history
WHERE project_id = %s AND NOT EXISTS (
    SELECT FROM feast.feature_views AS present
    WHERE present.project_id = history.project_id
        AND present.feature_view_name = history.feature_view_name
)
