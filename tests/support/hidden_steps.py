"""What a reader of a page has done before a block, and no command of the page shows.

A page names a step with `<!-- run before: (NAME) -->`. Each step gets the reader and the text of
the page down to the block.
"""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl
from conftest import CHEAP
from mlflow import MlflowClient

from streamflow.catalog import DEFAULT_PATH
from streamflow.database import connect
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.steps.promotion.promote import promote
from support.chain import FEBRUARY, JANUARY, copy_drop
from support.events import write_page_drop
from support.leak import leak
from support.processes import wait_for

if TYPE_CHECKING:
    from support.page_blocks import Reader

Step = Callable[["Reader", str], object]
CHART_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "kubernetes.md"
KEY = "7590-VHVEG"
ANSWERS = 100
PASSWORD = "…"  # noqa: S105  # of the user that the page makes
DATABASE_OF_THE_PAGE = "postgresql://churn_api@db/churn"


def read_last_block(above: str, language: str) -> str:
    """Return the code of the last block in a language, without its indentation."""
    pattern = rf"^ *```{language}\n(.*?)^ *```$"
    return dedent(re.findall(pattern, above, re.MULTILINE | re.DOTALL)[-1])


def administer(reader: Reader, *statements: str) -> None:
    """Run SQL as the administrator of the server, in the database of the installation."""
    with connect(reader.platform.login, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]  # texts of the tests


# --- catalogs -------------------------------------------------------------------------


def put_into_catalog(text: str, part: str) -> str:
    """Put the lines of a part into the tables of a catalog; a line replaces the one of its name."""
    lines = text.splitlines()
    for header, body in re.findall(r"^(\[.+\])[^\n]*\n((?:(?!\[).*\n?)*)", part, re.MULTILINE):
        if header not in lines:
            lines += ["", header]
        start = lines.index(header) + 1
        for line in filter(None, body.splitlines()):
            name = line.partition("=")[0].strip()
            after = next(
                (n for n, text in enumerate(lines) if n >= start and text.startswith("[")),
                len(lines),
            )
            same = [n for n in range(start, after) if lines[n].partition("=")[0].strip() == name]
            lines[same[0] if same else start : same[0] + 1 if same else start] = [line]
    return "\n".join(lines) + "\n"


def write_part(reader: Reader, above: str) -> None:
    path = reader.session.folder / "catalog.toml"
    text = (path if path.exists() else DEFAULT_PATH).read_text(encoding="utf-8")
    path.write_text(put_into_catalog(text, read_last_block(above, "toml")), encoding="utf-8")


def use_copied_catalog(reader: Reader, above: str) -> None:
    """Make a copy of the catalog that of the installation, as the page add-a-feature says."""
    shutil.copy(DEFAULT_PATH, reader.session.folder / "catalog.toml")
    command = "streamflow --catalog catalog.toml migrate --change-catalog"
    output, code = reader.run(command)
    assert code == 0, output


def write_events(reader: Reader, above: str) -> None:
    """Write a catalog with the events of the page, and a drop, for an empty installation."""
    folder = reader.session.folder
    (folder / "data").unlink()  # the link to the simulated months
    write_page_drop(folder, read_last_block(above, "toml"))
    reader.session.variables |= reader.make_empty("shop")
    reader.session.variables["STREAMFLOW_CATALOG"] = str(folder / "catalog.toml")


# --- drops ----------------------------------------------------------------------------


def correct_february(reader: Reader, above: str) -> None:
    """Deliver February again, with different skips."""
    skips = {"skips_7d": pl.lit("11")}
    deliver(reader, "month_001", FEBRUARY, usage_agg_30d=skips)


def correct_a_fee(reader: Reader, above: str) -> None:
    """Deliver February again, with a different fee of the first user by key, who got an answer."""
    fee = pl.col("monthly_fee")
    is_first = pl.col("user_id") == pl.col("user_id").min()
    higher = pl.when(is_first).then((fee.cast(float) + 5).round(2).cast(pl.String)).otherwise(fee)
    deliver(reader, "month_001", FEBRUARY, subscriptions={"monthly_fee": higher})


def turn_labels(reader: Reader, above: str) -> None:
    """Deliver January again, with one in four labels turned round."""
    churned = pl.col("churn_label") == "True"
    turned = pl.when(pl.int_range(pl.len()) % 4 == 0).then(~churned).otherwise(churned)
    text = pl.when(turned).then(pl.lit("True")).otherwise(pl.lit("False"))
    deliver(reader, "month_000", JANUARY, labels={"churn_label": text})


def empty_hours(reader: Reader, above: str) -> None:
    """Deliver January again, without the hours of a third of the users who left."""
    drop = reader.session.folder / "data" / "month_000"
    left = pl.read_csv(drop / "labels.csv", infer_schema=False).filter(churn_label="True")
    gone = left["user_id"].sort()[: len(left) // 3]
    hours = pl.col("watch_hours_30d")
    changed = pl.when(pl.col("user_id").is_in(gone.to_list())).then(pl.lit("0")).otherwise(hours)
    deliver(reader, "month_000", JANUARY, usage_agg_30d={"watch_hours_30d": changed})


def deliver(reader: Reader, month: str, as_of: datetime, **changes: dict[str, pl.Expr]) -> None:
    """Ingest and freeze a changed copy of a month."""
    folder = reader.session.folder
    name = f"corrected_{uuid4().hex[:6]}"
    copy_drop(folder / "data" / month, folder / name, **changes)
    for command in (f"ingest {name}", "snapshot"):
        output, code = reader.run(f"streamflow {command} --as-of {as_of:%Y-%m-%d}")
        assert code == 0, output


def fill_inbox(reader: Reader, above: str) -> None:
    """Put four folders into the inbox: two good ones, one without a date, one that is copied."""
    folder = reader.session.folder
    drops = folder / "drops"
    for name, month in {
        "2024-01-31": "month_000",
        "feb": "month_001",
        "march": "month_001",
    }.items():
        shutil.copytree(folder / "data" / month, drops / name)
    (drops / "march" / "drop.toml").unlink()
    shutil.copytree(folder / "data" / "month_001", drops / "2024-05-31")
    (drops / "2024-05-31" / "users.csv").rename(drops / "2024-05-31" / "users.csv.partial")
    (drops / "2024-05-31" / "drop.toml").unlink()
    reader.own_names["/srv/drops"] = str(drops)
    # Before the name of the folder above it.
    later = dict(reader.page_names)
    reader.page_names.clear()
    reader.page_names |= {str(drops): "/srv/drops", **later}
    reader.session.variables["STREAMFLOW_INBOX"] = str(drops)
    newest = max(path.stat().st_mtime for path in drops.rglob("*"))
    wait_for(lambda: datetime.now(UTC).timestamp() > newest + 6, 10)


# --- versions and answers -------------------------------------------------------------


def move_stage(reader: Reader, above: str) -> None:
    """Do what somebody does on MLflow's page."""
    with ignore_stage_warnings():
        open_mlflow(reader).transition_model_version_stage(
            reader.platform.catalog.model, "2", "Production", archive_existing_versions=True
        )


def delete_version(reader: Reader, above: str) -> None:
    open_mlflow(reader).delete_model_version(reader.platform.catalog.model, "2")


def open_mlflow(reader: Reader) -> MlflowClient:
    uri = reader.platform.tracking_uri
    return MlflowClient(uri, registry_uri=uri)


def promote_second(reader: Reader, above: str) -> None:
    promote(reader.platform, 2, force=True, why="an example")


def forget_settings(reader: Reader, above: str) -> None:
    """Let all settings have their defaults."""
    for name in CHEAP:
        reader.session.variables.pop(f"STREAMFLOW_{name.upper()}", None)


def answer(request_id: str) -> Step:
    """Return the step that asks for 100 predictions, and waits until they are logged."""

    def ask(reader: Reader, above: str) -> None:
        rows = reader.platform.connection.execute(
            "SELECT user_id FROM online.subs_profile_fv"
            " ORDER BY user_id = %s DESC, user_id LIMIT %s",
            [KEY, ANSWERS],
        )
        keys = [key for (key,) in rows]
        reader.api = reader.api or reader.serve()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{reader.api}/predict/batch",
            data=json.dumps({"user_ids": keys}).encode(),
            headers={"Content-Type": "application/json", "X-Request-ID": request_id},
        )
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310

        def is_logged() -> bool:
            row = reader.platform.connection.execute(
                "SELECT count(*) FROM streamflow.prediction_log WHERE request_id = %s", [request_id]
            ).fetchone()
            return row == (ANSWERS,)

        assert wait_for(is_logged, 30.0)

    return ask


def narrow_a_fee(reader: Reader, above: str) -> None:
    administer(
        reader,
        "UPDATE online.subs_profile_fv SET monthly_fee = monthly_fee::real"
        f" WHERE user_id = '{KEY}'",
    )


# --- what an administrator can do -----------------------------------------------------


def let_view_leak(reader: Reader, above: str) -> None:
    with connect(reader.platform.login, autocommit=True) as connection:
        leak(connection)


def change_cell(column: str, as_of: datetime, change: int) -> Step:
    """Return the step that switches the protection off, and adds a number to a frozen cell."""

    def change_it(reader: Reader, above: str) -> None:
        table = "frozen.usage_agg_30d"
        administer(
            reader,
            f"ALTER TABLE {table} DISABLE TRIGGER frozen",
            f"UPDATE {table} SET {column} = {column} + ({change})"
            f" WHERE user_id = '{KEY}' AND as_of = '{as_of:%Y-%m-%d}Z'",
            f"ALTER TABLE {table} ENABLE TRIGGER frozen",
        )

    return change_it


def write_package(reader: Reader, above: str) -> None:
    """Make a folder with a `rich` that says it is version 99."""
    described = reader.session.folder / "changed" / "rich-99.0.dist-info"
    described.mkdir(parents=True)
    text = "Metadata-Version: 2.1\nName: rich\nVersion: 99.0\n"
    (described / "METADATA").write_text(text, encoding="utf-8")


def make_login_user(reader: Reader, above: str) -> None:
    """Run the SQL above; users belong to all databases of the server, so it has another name."""
    name = f"sf_page_{uuid4().hex[:12]}"
    administer(reader, read_last_block(above, "sql").replace("churn_api", name))
    reader.session.closing.callback(administer, reader, f'DROP ROLE "{name}"')
    login = reader.platform.login
    own = type(login)(parameters={**login.parameters, "user": name}, password=PASSWORD)
    reader.own_names[DATABASE_OF_THE_PAGE] = f"'{own.uri()}'"


def write_feature_file(reader: Reader, above: str) -> None:
    """Write the file of the page, and make the table that it names."""
    folder = reader.platform.home / "features"
    folder.mkdir()
    code = re.findall(r"```python\n(.*?)```", above, re.DOTALL)[-1]
    (folder / "desk.py").write_text(code, encoding="utf-8")
    administer(
        reader,
        "CREATE SCHEMA desk AUTHORIZATION streamflow_writer",
        "SET ROLE streamflow_writer;"
        " CREATE TABLE desk.calls (user_id text, called_at timestamptz, calls bigint);"
        f" INSERT INTO desk.calls VALUES ('{KEY}', now() - interval '1 day', 3)",
    )


# --- Kubernetes -----------------------------------------------------------------------


def write_values(reader: Reader, above: str) -> None:
    """Write all values of the page about Kubernetes into the two files that it names."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", CHART_PAGE.read_text("utf-8"), re.M | re.S)
    for name in ("values.yaml", "new-values.yaml"):
        (reader.session.folder / name).write_text("".join(blocks), encoding="utf-8")


def write_keys(reader: Reader, above: str) -> None:
    """Make the pair of keys of the page about security."""
    for name in ("signing.pem", "trusted.pem"):
        (reader.session.folder / name).write_text("a key\n", encoding="utf-8")


def write_password(reader: Reader, above: str) -> None:
    path = Path(reader.session.folder / "pgpass")
    path.write_text("*:*:*:streamflow:THE-PASSWORD\n", encoding="utf-8")


def close_copy(reader: Reader, above: str) -> None:
    """Name the databases of the installation `copy` in the commands from here on."""
    variables = reader.homes["copy"]
    mlflow = variables["STREAMFLOW_MLFLOW_DATABASE"]
    url = reader.platform.login.with_database("postgres").uri()
    reader.own_names |= {
        "psql -d postgres": f"psql '{url}'",
        "DROP DATABASE streamflow": f"DROP DATABASE {mlflow.removesuffix('_mlflow')}",
        "DROP DATABASE mlflow": f"DROP DATABASE {mlflow}",
    }


HIDDEN_STEPS: dict[str, Step] = {
    "(write the lines above into catalog.toml)": write_part,
    "(use a copy of the catalog)": use_copied_catalog,
    "(write a drop with payments)": write_events,
    "(deliver a correction of February)": correct_february,
    "(deliver a correction of one fee)": correct_a_fee,
    "(deliver January with wrong labels)": turn_labels,
    "(deliver January without hours of users who left)": empty_hours,
    "(fill the inbox)": fill_inbox,
    "(put version 2 into Production in MLflow)": move_stage,
    "(delete version 2 in MLflow)": delete_version,
    "(promote version 2)": promote_second,
    "(all settings have their defaults)": forget_settings,
    "(100 answers of the request second)": answer("second"),
    "(100 answers of the request third)": answer("third"),
    "(round a live fee to float32)": narrow_a_fee,
    "(let the view of the usage leak)": let_view_leak,
    "(change the skips of a user in January)": change_cell("skips_7d", JANUARY, 1),
    "(change the hours of a user in February)": change_cell("watch_hours_30d", FEBRUARY, -30),
    "(change these hours back)": change_cell("watch_hours_30d", FEBRUARY, 30),
    "(close the copy)": close_copy,
    "(write a different rich)": write_package,
    "(make the user of the SQL above)": make_login_user,
    "(write the file above)": write_feature_file,
    "(write the values of the page into values.yaml)": write_values,
    "(write signing.pem and trusted.pem)": write_keys,
    "(write pgpass)": write_password,
}
