-- The tables of MLflow's own database, for commands that only read. They are those of the version
-- TABLES_VERSION of registry_tables.py. MLflow puts everything into one workspace, 'default'.

-- select_tables_version --
-- The version of MLflow's tables.
SELECT version_num FROM public.alembic_version

-- select_versions --
-- The versions of a registered model, the newest first, with their tags, the newest metrics of
-- their runs, and the folder of the files of each run. MLflow stores a metric that is not a number
-- as 0 with a mark.
SELECT v.version, v.run_id, r.run_uuid IS NOT NULL AS has_run,
    v.current_stage, v.creation_time AS creation_timestamp,
    v.last_updated_time AS last_updated_timestamp,
    coalesce((SELECT jsonb_object_agg(t.key, t.value) FROM public.model_version_tags t
        WHERE t.workspace = v.workspace AND t.name = v.name AND t.version = v.version), '{}')
        AS tags,
    ARRAY(SELECT m.key FROM public.latest_metrics m WHERE m.run_uuid = v.run_id ORDER BY m.key)
        AS metric_names,
    ARRAY(SELECT CASE WHEN m.is_nan THEN 'NaN' ELSE m.value END FROM public.latest_metrics m
        WHERE m.run_uuid = v.run_id ORDER BY m.key) AS metric_values,
    r.artifact_uri AS files_location
FROM public.model_versions v
LEFT JOIN public.runs r ON r.run_uuid = v.run_id
WHERE v.workspace = 'default' AND v.name = %s AND v.current_stage <> 'Deleted_Internal'
    AND (%s::numeric IS NULL OR v.version < %s)
ORDER BY v.version DESC
LIMIT %s

-- select_aliases_and_tags --
-- The aliases of a registered model, each with its version, and its tags: one row.
SELECT
    (SELECT coalesce(jsonb_object_agg(alias, version), '{}') FROM public.registered_model_aliases
        WHERE workspace = 'default' AND name = %(name)s) AS aliases,
    (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM public.registered_model_tags
        WHERE workspace = 'default' AND name = %(name)s) AS tags

-- select_stages --
-- Whether a registered model has a version, which of its versions are in one of some stages, its
-- aliases, each with its version, and its tags: one row.
SELECT
    EXISTS (SELECT FROM public.model_versions
        WHERE workspace = 'default' AND name = %(name)s AND current_stage <> 'Deleted_Internal')
        AS has_version,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(version, current_stage)), '[]')
        FROM public.model_versions
        WHERE workspace = 'default' AND name = %(name)s AND current_stage = ANY(%(stages)s))
        AS staged,
    (SELECT coalesce(jsonb_object_agg(alias, version), '{}') FROM public.registered_model_aliases
        WHERE workspace = 'default' AND name = %(name)s) AS aliases,
    (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM public.registered_model_tags
        WHERE workspace = 'default' AND name = %(name)s) AS tags

-- select_run_location --
-- The folder of the files of a run.
SELECT artifact_uri FROM public.runs WHERE run_uuid = %s

-- select_model_location --
-- The folder of the MLflow model of a version.
SELECT coalesce(nullif(storage_location, ''), source) FROM public.model_versions
WHERE workspace = 'default' AND name = %s AND version = %s
    AND current_stage <> 'Deleted_Internal'
