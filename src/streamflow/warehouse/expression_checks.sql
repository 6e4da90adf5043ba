-- The statements of expression_checks.py that are not composed of identifiers.

-- select_type_name --
-- The name of a type.
SELECT format_type(%s::oid, NULL)
