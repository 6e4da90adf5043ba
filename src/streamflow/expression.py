"""The expression of a derived column: text of the catalog that becomes SQL.

A catalog may come from somebody else, so its text is not trusted. PostgreSQL's own grammar must
read the text as one expression, and every part of the expression must be of an allowed kind: a
column, a constant, an operator, a function, a cast, a case or a condition. There is no query, and
no second statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# A longer expression is not one that a person wrote.
MAX_CHARACTERS = 4_000

LAG = re.compile(r"\blag\(\s*([a-z][a-z0-9_]*)\s*\)")

# The kinds of nodes of PostgreSQL's syntax tree that an expression may have, with their fields.
ALLOWED_FIELDS = {
    "A_ArrayExpr": {"elements"},
    "A_Const": {"ival", "fval", "sval", "boolval", "isnull"},
    "A_Expr": {"kind", "name", "lexpr", "rexpr"},
    "BoolExpr": {"boolop", "args"},
    "BooleanTest": {"arg", "booltesttype"},
    "CaseExpr": {"arg", "args", "defresult"},
    "CaseWhen": {"expr", "result"},
    "CoalesceExpr": {"args"},
    "ColumnRef": {"fields"},
    "FuncCall": {"funcname", "args", "agg_star", "funcformat"},
    "Integer": {"ival"},
    "List": {"items"},
    "MinMaxExpr": {"op", "args"},
    "NullTest": {"arg", "nulltesttype"},
    "String": {"sval"},
    "TypeCast": {"arg", "typeName"},
}
# The fields of the type in a cast. It is a node whose kind the tree does not name.
TYPE_FIELDS = {"names", "typmods", "typemod", "arrayBounds"}
# Fields that say where in the text a node stands.
POSITIONS = {"location", "list_start", "list_end", "rexpr_list_start", "rexpr_list_end"}
# A query that has nothing but its expressions.
PLAIN_QUERY = {"limitOption": "LIMIT_OPTION_DEFAULT", "op": "SETOP_NONE"}
# What messages call the kinds that people try most often.
NODE_NAMES = {
    "SubLink": "a query",
    "SQLValueFunction": "the clock or the user",
    "ParamRef": "a parameter",
    "A_Star": "a star",
}

Tree = dict[str, Any]


def name_lag(name: str) -> str:
    """Return the name of the column that holds the value of the drop before.

    A column of the catalog cannot have this name, because it has a space.
    """
    return f"lag {name}"


def expression_text(expression: str) -> str:
    """Return the SQL of an expression: `lag(x)` becomes the name of a column.

    >>> expression_text("fee - lag(fee)")
    'fee - "lag fee"'
    """
    return LAG.sub(lambda match: f'"{name_lag(match.group(1))}"', expression)


def find_lags(expression: str) -> list[str]:
    """Return the columns that an expression reads from the drop before."""
    return LAG.findall(expression)


def require_one_expression(expression: str) -> None:
    """Refuse text that is not one expression of allowed parts, by PostgreSQL's own grammar.

    Raises ValueError. `migrate` finds out whether the columns and functions exist.

    >>> require_one_expression("monthly_fee * months_active - coalesce(lag(total_paid), 0)")
    >>> require_one_expression("1); DROP TABLE x")
    Traceback (most recent call last):
    ValueError: expr is not one expression of SQL: syntax error at or near ")"
    """
    if len(expression) > MAX_CHARACTERS:
        raise ValueError(f"expr has more than {MAX_CHARACTERS:,} characters")
    if "\0" in expression:
        raise ValueError("expr holds a NUL character")
    # The text that PostgreSQL will get is checked: with the names of the lags.
    text = expression_text(expression)
    tree = _parse(f"SELECT {text}")
    if _parse(f"SELECT ({text})") != tree:
        raise ValueError("expr is not one expression of SQL: parentheses change its meaning")
    for kind, fields in _nodes(tree):
        _refuse_different(kind, fields)


def _parse(query: str) -> Tree:
    """Return the tree of the only expression of a query. Raises ValueError for anything else."""
    import pgparse

    try:
        statements = _without_positions(pgparse.parse(query))
    except pgparse.PGQueryError as exc:
        raise ValueError(f"expr is not one expression of SQL: {exc.message}") from exc
    except RecursionError as exc:
        raise ValueError("expr has too many levels") from exc
    select = statements[0]["stmt"].get("SelectStmt", {})
    targets = select.pop("targetList", [])
    is_plain = len(statements) == len(targets) == 1 and select == PLAIN_QUERY
    if not is_plain or set(targets[0]["ResTarget"]) != {"val"}:
        raise ValueError("expr is more than one expression of SQL")
    tree: Tree = targets[0]["ResTarget"]["val"]
    return tree


def _without_positions(value: Any) -> Any:
    """Return a copy of a tree without the fields that say where a node stands."""
    if isinstance(value, list):
        return [_without_positions(element) for element in value]
    if isinstance(value, dict):
        return {
            name: _without_positions(field)
            for name, field in value.items()
            if name not in POSITIONS
        }
    return value


def _nodes(value: Any) -> Iterator[tuple[str, Tree]]:
    """Yield the kind and the fields of each node of a tree."""
    if isinstance(value, list):
        for element in value:
            yield from _nodes(element)
    elif isinstance(value, dict):
        for name, field in value.items():
            # The name of a kind begins with a capital letter, and that of a field does not.
            if name[0].isupper():
                yield name, field
            yield from _nodes(field)


def _refuse_different(kind: str, fields: Tree) -> None:
    """Raise ValueError if a node is not of an allowed kind, or has a field that is not allowed."""
    if kind not in ALLOWED_FIELDS:
        raise ValueError(f"expr holds {NODE_NAMES.get(kind, kind)}, which it may not")
    different = set(fields) - ALLOWED_FIELDS[kind]
    different |= set(fields.get("typeName", {})) - TYPE_FIELDS
    if different:
        raise ValueError(f"expr holds {kind} with {min(different)}, which it may not")
    if kind == "ColumnRef" and len(fields["fields"]) != 1:
        raise ValueError("expr names a column with its table, which it may not")
