"""Derived columns: checked at migrate, computed at freeze, the same for training and serving."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import psycopg
import pytest
from support.chain import FEBRUARY, JANUARY, NOW, in_production, load, run

from streamflow.catalog import DEFAULT_PATH, parse_catalog
from streamflow.database import connect
from streamflow.errors import CatalogInvalid, ContractViolation, TrainingImpossible
from streamflow.platform import Platform
from streamflow.steps.data.migrate import migrate, plan_migration
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.serving.predict import predict
from streamflow.steps.training.training_set import training_set
from streamflow.warehouse.roles import EXPRESSIONS

PLACE = "[tables.subscriptions.columns]\n"


def with_column(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "derived.toml"
    path.write_text(
        DEFAULT_PATH.read_text(encoding="utf-8").replace(PLACE, PLACE + "\n".join(lines) + "\n"),
        encoding="utf-8",
    )
    return path


def column(
    expr: str,
    *,
    name: str = "derived",
    kind: str = "float",
    more: str = 'nullable = true, view = "subs_profile_fv"',
) -> str:
    return f'{name} = {{ type = "{kind}", {more}, expr = "{expr}" }}'


@pytest.mark.parametrize(
    ("expr", "kind", "said"),
    [
        ("months_activ / 12", "float", 'column "months_activ" does not exist'),
        ("monthly_fee * 2", "int", "its type is double precision, which does not fit into 'int'"),
        (
            "extract(epoch from now())",
            "float",
            "functions in index expression must be marked IMMUTABLE",
        ),
        ("random()", "float", "functions in index expression must be marked IMMUTABLE"),
        ("count(*)", "int", "aggregate functions are not allowed in index expressions"),
        ("lag(nothing)", "float", 'column "lag nothing" does not exist'),
    ],
)
def test_an_expression_is_judged_at_migrate(
    open_with: Callable[..., Platform], tmp_path: Path, expr: str, kind: str, said: str
) -> None:
    platform = open_with(migrated=False, catalog=with_column(tmp_path, column(expr, kind=kind)))
    with pytest.raises(
        CatalogInvalid, match="tables.subscriptions.columns.derived: expr = "
    ) as refused:
        migrate(platform)
    assert said in str(refused.value)
    assert not platform.connection.execute(
        "SELECT FROM pg_attribute WHERE attname = 'derived'"
    ).fetchall()


@pytest.mark.parametrize(
    "expr",
    [
        "1); DROP TABLE raw.users; SELECT (1",
        "1 -- rest",
        "1 /* rest",
        "(1",
        "'open",
        "(SELECT 1)",
        "monthly_fee +",
        r"E'\\''; COPY raw.users TO PROGRAM 'id'; --'",
    ],
)
def test_what_is_more_than_an_expression_is_refused_with_its_place(expr: str) -> None:
    text = DEFAULT_PATH.read_text(encoding="utf-8").replace(PLACE, PLACE + column(expr) + "\n")
    with pytest.raises(
        CatalogInvalid, match=r"mine.toml:\d+ tables.subscriptions.columns.derived: expr "
    ):
        parse_catalog(text, origin="mine.toml")


def test_one_value_for_training_and_serving_and_lag_reads_the_drop_before(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    lines = (
        column("monthly_fee - lag(monthly_fee)", name="fee_change"),
        column("monthly_fee * months_active", name="worth", more='view = "subs_profile_fv"'),
        column("as_of - date '2024-01-01'", name="day", kind="int", more="nullable = false"),
    )
    platform = open_with(migrated=False, catalog=with_column(tmp_path, *lines))
    migrate(platform)
    run(platform, simulated_drops / "month_000", JANUARY)
    assert training_set(platform, JANUARY).frame["fee_change"].null_count() == 400
    run(platform, simulated_drops / "month_001", FEBRUARY)
    january, february = (
        pl.read_csv(simulated_drops / month / "subscriptions.csv").select(
            "user_id", "monthly_fee", "months_active"
        )
        for month in ("month_000", "month_001")
    )
    expected = february.join(
        january.select("user_id", before="monthly_fee"), on="user_id", how="left"
    ).select(
        "user_id",
        fee_change=pl.col("monthly_fee") - pl.col("before"),
        worth=pl.col("monthly_fee") * pl.col("months_active"),
    )
    offline = training_set(platform, FEBRUARY).frame.select("user_id", "fee_change", "worth")
    assert offline.equals(expected.sort("user_id"))
    assert offline.filter(pl.col("fee_change") != 0).height > 0
    in_production(platform, FEBRUARY)
    changed = offline.filter(pl.col("fee_change") != 0).row(0, named=True)
    served = predict(platform, changed["user_id"], now=NOW).features
    assert (served["fee_change"], served["worth"]) == (changed["fee_change"], changed["worth"])
    days = platform.connection.execute(
        "SELECT DISTINCT as_of::date::text, day FROM frozen.subscriptions ORDER BY 1"
    ).fetchall()
    assert days == [("2024-01-31", 30), ("2024-02-29", 59)]


def test_a_value_that_breaks_its_promise_freezes_nothing(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    lines = (
        column("1 / months_active", name="share", kind="int"),
        column("lag(monthly_fee)", name="before", more="min = 0"),
    )
    platform = open_with(migrated=False, catalog=with_column(tmp_path, *lines))
    migrate(platform)
    with pytest.raises(ContractViolation) as refused:
        load(platform, simulated_drops / "month_000", JANUARY)
    assert "subscriptions column 'share' = 1 / months_active: division by zero" in str(
        refused.value
    )
    assert (
        "subscriptions column 'before' = lag(monthly_fee) of user_id '0011-EJMUJ':"
        " expected number >= 0, got null" in str(refused.value)
    )
    assert "Nothing was frozen;" in str(refused.value)
    assert platform.connection.execute("SELECT count(*) FROM streamflow.revision").fetchone() == (
        0,
    )


def test_an_instant_that_no_file_can_have_freezes_nothing(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    lines = (
        column("'infinity'::date", name="never", kind="date", more="nullable = true"),
        column("as_of + 3000000", name="late", kind="date", more="nullable = true"),
        column("'-infinity'::timestamptz", name="begin", kind="timestamp", more="nullable = true"),
        column("'9999-12-31'::date", name="last", kind="date", more="nullable = true"),
    )
    platform = open_with(migrated=False, catalog=with_column(tmp_path, *lines))
    migrate(platform)
    with pytest.raises(ContractViolation) as refused:
        load(platform, simulated_drops / "month_000", JANUARY)
    message = str(refused.value)
    assert "of user_id '0011-EJMUJ': expected a date YYYY-MM-DD, got infinity" in message
    assert "expected a date YYYY-MM-DD, got 10237-" in message
    assert "expected an instant YYYY-MM-DD HH:MM:SS, got -infinity" in message
    assert "'last'" not in message
    assert platform.connection.execute("SELECT count(*) FROM streamflow.revision").fetchone() == (
        0,
    )


def test_the_characters_of_a_derived_text_are_counted(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    """As in a file: a character counts once, however many bytes it has."""
    allowed = column("'üß€'::text", name="allowed", kind="string", more="max_length = 3")
    long = column("'€' || months_active::text", name="code", kind="string", more="max_length = 2")
    platform = open_with(migrated=False, catalog=with_column(tmp_path, allowed, long))
    migrate(platform)
    folder = simulated_drops / "month_000"
    with pytest.raises(ContractViolation) as refused:
        load(platform, folder, JANUARY)
    months = pl.read_csv(folder / "subscriptions.csv").sort("user_id")
    too_long = months.filter(pl.col("months_active") >= 10).select("user_id", "months_active")
    user, active = too_long.row(0)
    assert (
        f"subscriptions column 'code' = '€' || months_active::text of user_id '{user}':"
        f" expected text of at most 2 characters, got €{active}" in str(refused.value)
    )
    assert "'allowed'" not in str(refused.value)


def test_a_frozen_formula_is_not_changed_and_a_new_one_is_filled_by_a_new_snapshot(
    open_with: Callable[..., Platform], simulated_drops: Path, tmp_path: Path
) -> None:
    load(open_with(), simulated_drops / "month_000", JANUARY)
    worth = column("monthly_fee * months_active", name="worth", more='view = "subs_profile_fv"')
    platform = open_with(migrated=False, catalog=with_column(tmp_path, worth))
    migrate(platform)
    with pytest.raises(
        TrainingImpossible,
        match=r"(?s)'worth' is not nullable, and 400 of 400 rows have no value.*snapshot",
    ):
        training_set(platform, JANUARY)
    receipt = snapshot(platform, JANUARY)
    assert {t.table: t.changed_columns for t in receipt.tables if t.created} == {
        "subscriptions": ("worth",)
    }
    assert not any(t.created for t in snapshot(platform, JANUARY).tables)
    assert training_set(platform, JANUARY).frame["worth"].null_count() == 0
    other = open_with(migrated=False, catalog=with_column(tmp_path, worth.replace("*", "+")))
    with pytest.raises(
        CatalogInvalid, match=r"(?s)computed by 'monthly_fee \* months_active'.*new name"
    ):
        migrate(other, change_catalog=True)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        platform.connection.execute("UPDATE frozen.subscriptions SET worth = 0")


def test_the_check_evaluates_nothing_as_the_user_that_logs_in(
    open_with: Callable[..., Platform], tmp_path: Path
) -> None:
    """A catalog may come from somebody else, and `migrate` logs in as a superuser."""
    platform = open_with()
    with connect(platform.login, autocommit=True) as login:
        login.execute("CREATE SEQUENCE public.planted")
        # PostgreSQL evaluates a call of an immutable function when it plans a query.
        login.execute(
            "CREATE FUNCTION public.who() RETURNS bigint IMMUTABLE LANGUAGE plpgsql"
            " AS $$ BEGIN RAISE 'this is %', current_user; END $$"
        )
        expressions = {
            "nextval('public.planted')": "functions in index expression must be marked IMMUTABLE",
            "length(pg_read_file('PG_VERSION'))": "permission denied for function pg_read_file",
            "public.who()": "this is streamflow_expressions",
        }
        for expr, reason in expressions.items():
            mine = with_column(tmp_path, column(expr, kind="int"))
            other = open_with(migrated=False, catalog=mine)
            for command in (plan_migration, migrate):
                with pytest.raises(CatalogInvalid, match=re.escape(reason)):
                    command(other)
        assert login.execute("SELECT is_called FROM public.planted").fetchone() == (False,)
        assert login.execute("SELECT current_user").fetchone() == (platform.login.user,)


def test_the_role_of_the_check_has_no_right_of_its_own(open_with: Callable[..., Platform]) -> None:
    platform = open_with()
    with connect(platform.login.with_role(EXPRESSIONS), autocommit=True) as connection:
        for statement in (
            "SELECT * FROM raw.users",
            "SELECT * FROM streamflow.revision",
            "SELECT * FROM online.usage_agg_30d_fv",
            "CREATE TABLE public.planted (x text)",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('PG_VERSION')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
