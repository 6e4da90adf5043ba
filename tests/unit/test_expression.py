"""An expression of a catalog is one expression, by PostgreSQL's own grammar, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.expression import MAX_CHARACTERS, expression_text, require_one_expression


@pytest.mark.parametrize(
    "expression",
    [
        "monthly_fee - lag(monthly_fee)",
        "as_of - date '2024-01-01'",
        "CASE WHEN fee > 1 AND NOT paid THEN 'it''s' ELSE NULL END",
        "CASE plan WHEN 'a' THEN 1 END",
        "plan IN ('a', 'b') OR fee BETWEEN 1 AND 2",
        "plan LIKE 'b%' AND plan IS NOT NULL AND paid IS TRUE",
        "coalesce(fee, 0) + greatest(fee, 1) + nullif(fee, 0)",
        "fee::numeric(10, 2)::text || 'x'",
        "months = ANY (ARRAY[1, 2])",
        "substring(plan FROM 1 FOR 2)",
        "months % 12",
        "round(fee) -- what a person says of it\n + 1",
        r"E'\''",
        "$$text$$",
    ],
)
def test_one_expression_is_accepted(expression: str) -> None:
    require_one_expression(expression)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        # The quote in E'\'' is not the end of the text.
        (r"E'\''; COPY x TO PROGRAM 'id'; --'", "expr is "),
        (r"E'\'', (SELECT 1)) FROM x; --')", "expr is "),
        ("1); DROP TABLE x; SELECT (1", "syntax error"),
        ("1; SELECT 2", "more than one"),
        ("1;", "syntax error"),
        ("1, 2", "more than one"),
        ("1), (2", "syntax error"),
        ("1) + (2", "syntax error"),
        ("1) FROM x WHERE (true", "syntax error"),
        ("1 FROM x", "more than one"),
        ("1 WHERE true", "more than one"),
        ("1 AS x", "more than one"),
        ("1 x", "more than one"),
        ("1 INTO planted", "more than one"),
        ("1 LIMIT 1", "more than one"),
        ("1 UNION SELECT 2", "more than one"),
        ("1 FOR UPDATE", "more than one"),
        ("DISTINCT x", "more than one"),
        ("ALL x", "syntax error"),
        ("", "more than one"),
        ("*", "syntax error"),
        ("monthly_fee +", "syntax error"),
        ("(SELECT 1)", "a query"),
        ("EXISTS (SELECT 1)", "a query"),
        ("ARRAY(SELECT 1)", "a query"),
        ("current_date", "the clock"),
        ("current_user", "the clock or the user"),
        ("sum(fee) OVER ()", "FuncCall with over"),
        ("sum(fee) FILTER (WHERE true)", "FuncCall with agg_filter"),
        ("array_agg(fee ORDER BY fee)", "FuncCall with agg_order"),
        ("f(VARIADIC a)", "FuncCall with func_variadic"),
        ("f(a => 1)", "NamedArgExpr"),
        ("$1", "a parameter"),
        ("raw.fee", "with its table"),
        ("(row).fee", "A_Indirection"),
        ("ROW(1, 2)", "RowExpr"),
        ("XMLPARSE(DOCUMENT plan)", "XmlExpr"),
        ('"lag(a); DROP TABLE x; --"', "expr is "),
        ("1 -- rest", "expr is "),
        ("1 /* rest", "unterminated"),
        ("'open", "unterminated"),
        ("(1", "syntax error"),
        ("1\0; DROP TABLE x", "NUL"),
        ("- " * 1000 + "a" + " + 1" * 200, "too many levels"),
        ("1" * (MAX_CHARACTERS + 1), "more than 4,000 characters"),
    ],
)
def test_anything_else_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^expr ") as refused:
        require_one_expression(expression)
    assert reason in str(refused.value)


PIECES = r"""1 a ' '' \' E' ( ) ; , -- /* */ + " $$ $q$ ::text SELECT f( lag(a)"""
pieces = st.sampled_from([*PIECES.split(), "\n", " ", "FROM x", "DROP TABLE x"])


@given(st.lists(pieces, max_size=12).map(" ".join))
def test_what_is_accepted_is_one_expression_wherever_it_stands(expression: str) -> None:
    """The uses of an expression: within parentheses, in a cast, in the list of a query."""
    import pgparse

    try:
        require_one_expression(expression)
    except ValueError:
        return
    text = expression_text(expression)
    query = f"SELECT a, (({text})::float8 + 0) AS x FROM (SELECT 1) AS row"
    statements = pgparse.parse(query)
    assert len(statements) == 1
    select = statements[0]["stmt"]["SelectStmt"]
    assert set(select) == {"targetList", "fromClause", "limitOption", "op"}
    assert len(select["targetList"]) == 2
    assert len(select["fromClause"]) == 1
    index = pgparse.parse(f"CREATE INDEX ON t (({text}))")
    assert len(index) == 1
    assert len(index[0]["stmt"]["IndexStmt"]["indexParams"]) == 1
