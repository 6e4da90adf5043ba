-- The statements of roles.py that are not composed of identifiers.

-- select_is_member --
-- Whether the user that logs in is a member of a role. No row: the role does not exist.
SELECT pg_has_role(current_user, oid, 'MEMBER')
FROM pg_roles
WHERE rolname = %s

-- select_is_member_of_role --
-- Whether the first role is a member of the second one. No row: one of them does not exist.
SELECT pg_has_role(m.oid, w.oid, 'MEMBER')
FROM pg_roles m, pg_roles w
WHERE m.rolname = %s AND w.rolname = %s

-- select_role --
-- One row if a role exists.
SELECT
FROM pg_roles
WHERE rolname = %s
