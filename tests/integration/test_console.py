"""The console's pages for the people who keep users, in process."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from html import unescape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl
import psycopg
import pytest
from conftest import Cluster
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb
from support.chain import FEBRUARY, JANUARY, NOW, load
from support.console_pages import STATEMENTS, Browser, browsed, text_of
from support.states import KEY_WITH_SIGNS, SCORED, in_state

from streamflow.catalog import DEFAULT_PATH, parse_catalog
from streamflow.console.pages import STATIC_FOLDER, user_address
from streamflow.console.server import require_keys_off_loopback
from streamflow.core.serving.segments import TENURE_BANDS, TENURE_MONTHS, SegmentColumn
from streamflow.database import connect
from streamflow.errors import FilterInvalid, NothingScored, SettingsInvalid
from streamflow.platform import Platform, open_platform
from streamflow.receipt import to_json
from streamflow.settings import load_settings
from streamflow.steps.data.forget import forget
from streamflow.steps.serving.at_risk import Position, RiskFilter, list_at_risk
from streamflow.steps.serving.explain import explain
from streamflow.steps.serving.portfolio import read_portfolio
from streamflow.steps.serving.score import score
from streamflow.steps.serving.user_record import read_user
from streamflow.warehouse import lake_revisions, scores
from streamflow.warehouse.roles import CONSOLE
from streamflow.warehouse.score_pages import ListQuery, read_list, read_newest_drops
from streamflow.warehouse.score_summaries import UNITS, FrozenSource, add_outcome, add_segments
from streamflow.warehouse.segment_values import compose_category, name_segment

if TYPE_CHECKING:
    from typing import LiteralString

    from streamflow.column import TenureUnit

MAX_STATEMENTS = 6
MAX_PAGE_BYTES = 100_000
HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def scored(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("console") / "home"
    with in_state(cluster, SCORED, simulated_drops, home) as platform:
        yield platform


@pytest.fixture(scope="module")
def reading(scored: Platform) -> Iterator[Platform]:
    """The installation as the console opens it, with hostile words in the catalog."""
    with open_platform(scored.settings, role=CONSOLE) as platform:
        table = platform.catalog.tables["subscriptions"]
        column = table.columns["contract_type"].model_copy(update={"words": HOSTILE})
        columns = {**table.columns, "contract_type": column}
        tables = {
            **platform.catalog.tables,
            "subscriptions": table.model_copy(update={"columns": columns}),
        }
        yield replace(platform, catalog=platform.catalog.model_copy(update={"tables": tables}))


@pytest.fixture(scope="module")
def browser(reading: Platform) -> Iterator[Browser]:
    with browsed(reading) as opened:
        yield opened


def csv_of(browser: Browser, path: str) -> list[dict[str, str]]:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(answer.text)))


def all_pages(scored: Platform) -> list[str]:
    key = list_at_risk(scored, RiskFilter(limit=1)).users[0].key
    return ["/at-risk", "/at-risk?moved=up", "/portfolio", user_address(key), "/login"]


def test_the_list_is_by_probability_and_goes_on_without_a_gap(
    scored: Platform, browser: Browser
) -> None:
    rows = pl.concat(scores.read_scores(scored.address, newest_run(scored)))
    order = rows.sort("probability", "key", descending=True)["key"].to_list()
    keys = []
    path: str | None = "/at-risk"
    while path is not None:
        page = browser.get(path)
        keys += [
            unquoted(link) for link in re.findall(r'<th scope="row"><a href="([^"]*)"', page.text)
        ]
        following = re.search(r'href="([^"]*)" rel="next"', page.text)
        path = following[1].replace("&amp;", "&") if following else None
        assert "OFFSET" not in " ".join(STATEMENTS).upper()
    # PostgreSQL orders equal probabilities by key in its own collation.
    probability = dict(zip(rows["key"], rows["probability"], strict=True))
    assert sorted(keys) == sorted(order)
    assert [probability[key] for key in keys] == [probability[key] for key in order]


def unquoted(link: str) -> str:
    from html import unescape
    from urllib.parse import unquote

    return unquote(unescape(link).removeprefix("/users/"))


def newest_run(platform: Platform) -> scores.ScoreRun:
    row = platform.connection.execute(
        "SELECT evidence_digest FROM streamflow.score_run ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    run_found = scores.find_run(platform.connection, row[0])
    assert run_found is not None
    return run_found


def test_csv_is_what_is_seen_and_json_is_the_receipt(reading: Platform, browser: Browser) -> None:
    path = "/at-risk?s.net_service=DSL&moved=down"
    risks = list_at_risk(reading, RiskFilter(segments={"net_service": "DSL"}, moved="down"))
    assert risks.users
    assert browser.get(f"{path}&format=json").text == to_json(risks)
    shown = browser.text(path)
    rows = csv_of(browser, f"{path}&format=csv")
    assert [float(row["probability"]) for row in rows] == [u.probability for u in risks.users]
    assert [float(row["change"]) for row in rows] == [u.change for u in risks.users]
    for row, user in zip(rows, risks.users, strict=True):
        assert row["user"].removeprefix("'") == user.key
        assert row["net_service"] == "DSL"
        assert user.key in shown
        for reason in user.reasons:
            assert reason.label in row["reasons"]
            assert reason.label in shown
    portfolio = read_portfolio(reading)
    assert browser.get("/portfolio?format=json").text == to_json(portfolio)
    record = read_user(reading, risks.users[0].key)
    assert browser.get(f"{user_address(record.key)}?format=json").text == to_json(record)


def test_filters_choose_and_stay_in_the_address(scored: Platform, browser: Browser) -> None:
    everybody = list_at_risk(scored, RiskFilter(limit=1000)).users
    two_years = [u.key for u in everybody if u.segments["contract_type"] == "Two year"]
    chosen = RiskFilter(segments={"contract_type": "Two year"}, limit=1000)
    assert [u.key for u in list_at_risk(scored, chosen).users] == two_years
    for moved, sign in (("up", 1), ("down", -1)):
        chosen = RiskFilter(moved=moved, limit=1000)  # type: ignore[arg-type]
        expected = [u.key for u in everybody if u.change is not None and u.change * sign >= 0.05]
        assert [u.key for u in list_at_risk(scored, chosen).users] == expected
        assert all(u.move == moved for u in list_at_risk(scored, chosen).users)
    page = browser.get("/at-risk?s.contract_type=Two+year&moved=up").text
    assert '<option value="Two year" selected>' in page
    assert '<option value="up" selected>' in page
    assert "s.contract_type=Two+year&amp;moved=up&amp;format=csv" in page
    nobody = list_at_risk(scored, RiskFilter(segments={"net_service": ""}))
    assert (nobody.users, nobody.next, nobody.is_search_ended) == ((), None, True)


def test_a_search_ends_early_and_goes_on(scored: Platform) -> None:
    """Of a drop with a million users a filter reads some thousand for one page."""
    chosen = RiskFilter(segments={"contract_type": "Two year"}, limit=5)
    keys: list[str] = []
    calls = 0
    while True:
        risks = list_at_risk(scored, chosen, max_searched=7)
        keys += [user.key for user in risks.users]
        calls += 1
        if risks.next is None:
            break
        chosen = replace(chosen, position=risks.next)
    whole = list_at_risk(scored, RiskFilter(segments={"contract_type": "Two year"}, limit=1000))
    assert keys == [user.key for user in whole.users]
    assert calls > len(keys) / 5


@pytest.mark.parametrize(
    "path",
    [
        "/at-risk?after=0.5",
        "/at-risk?after=nan~a",
        "/at-risk?after=x~a",
        "/at-risk?after=0.5~%00",
        "/at-risk?s.nothing=a",
        "/at-risk?s.contract_type=weekly",
        "/at-risk?moved=sideways",
    ],
)
def test_a_wrong_filter_is_refused_in_words(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 422
    assert "streamflow at-risk" in answer.text


def test_only_so_many_users_are_listed(scored: Platform) -> None:
    with pytest.raises(FilterInvalid):
        list_at_risk(scored, RiskFilter(limit=100_000))


def test_search_leads_to_the_user(browser: Browser) -> None:
    answer = browser.get("/at-risk", params={"search": f" {KEY_WITH_SIGNS} "})
    assert (answer.status_code, answer.headers["location"]) == (303, user_address(KEY_WITH_SIGNS))
    page = browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert "<script>?" not in page.text
    assert KEY_WITH_SIGNS in text_of(page.text)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/users/nobody", "nobody"),
        ("/users/", ""),
        ("/users/%00", ""),
        ("/users/%ff", "\ufffd"),
        ("/users/%22%3E%3Cscript%3Ealert(1)", '"><script>alert(1)'),
    ],
)
def test_an_unknown_key_is_404_in_words_and_can_be_corrected(
    browser: Browser, path: str, key: str
) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "No such user" in answer.text
    assert "<script>alert" not in answer.text
    field = re.search(r'<input id="search"[^>]* value="([^"]*)"', answer.text)
    assert field is not None
    assert unescape(field[1]) == key
    assert "nobody" not in " ".join(browser.log)


def test_an_unknown_page_is_404_in_words(browser: Browser) -> None:
    answer = browser.get("/nothing")
    assert answer.status_code == 404
    assert "This page cannot be shown" in answer.text


def test_a_user_has_values_reasons_and_every_answer(scored: Platform, browser: Browser) -> None:
    users = list_at_risk(scored, RiskFilter()).users
    user = next(user for user in users if user.earlier is not None)
    record = read_user(scored, user.key)
    assert record.drops == (JANUARY, FEBRUARY)
    assert [(a.as_of, a.source, a.version) for a in record.answers] == [
        (FEBRUARY, "score", 1),
        (JANUARY, "score", 1),
    ]
    assert (record.probability, record.earlier) == (user.probability, user.earlier)
    with connect(scored.address) as connection:
        fee = connection.execute(
            "SELECT monthly_fee FROM frozen.subscriptions WHERE user_id = %s ORDER BY as_of",
            [user.key],
        ).fetchall()
    history = next(value for value in record.values if value.name == "monthly_fee")
    assert [(value,) for value in history.series] == fee
    text = browser.text(user_address(user.key))
    assert all(reason.label in text for reason in record.reasons)
    assert "months as a customer" in text
    rows = csv_of(browser, f"{user_address(user.key)}?format=csv&table=answers")
    assert [float(row["probability"]) for row in rows] == [a.probability for a in record.answers]


def test_the_reasons_of_today_are_those_of_explain(scored: Platform, browser: Browser) -> None:

    key = list_at_risk(scored, RiskFilter(limit=1)).users[0].key
    text = browser.text(f"{user_address(key)}?explain=today")
    explained = explain(scored, key, now=NOW)
    assert f"Today's answer of version 1 is {100 * explained.probability:.1f} %" in text
    for contribution in explained.explanation.top(8):
        assert contribution.words in text
    # PostgreSQL was restarted: the console's own connection is lost, those of the pool are new.
    browser.state._serving = None
    browser.state.platform.connection.close()
    assert "Today's answer of version 1" in browser.text(f"{user_address(key)}?explain=today")
    browser.state.platform.forget_lost_connection()


def test_the_portfolio_adds_up_and_shows_who_left(scored: Platform, browser: Browser) -> None:
    portfolio = read_portfolio(scored)
    everybody = list_at_risk(scored, RiskFilter(limit=1000)).users
    # Exactly: a sum of floats would depend on the order of the rows.
    assert portfolio.expected == sum(round(u.probability * UNITS) for u in everybody) / UNITS
    for segment in portfolio.segments:
        for category in segment.categories:
            members = [u for u in everybody if u.segments[segment.name] == category.value]
            assert category.users == len(members)
            expected = sum(u.probability for u in members)
            assert category.expected == pytest.approx(expected, rel=1e-12)
    with connect(scored.address) as connection:
        shares = connection.execute(
            "SELECT as_of, avg(churn_label::int)::float FROM frozen.labels GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert [(p.as_of, pytest.approx(p.churned_share)) for p in portfolio.trend] == shares
    assert [p.is_honest for p in portfolio.trend] == [False, True]
    rows = csv_of(browser, "/portfolio?cohort=contract_type&format=csv&table=cohorts")
    contracts = next(s for s in portfolio.segments if s.name == "contract_type")
    for row, category in zip(rows, contracts.categories, strict=True):
        january, february = category.shares
        assert row["contract_type"] == category.value
        assert (float(row["2024-01-31"]), float(row["2024-02-29"])) == (january, february)
        assert february == category.expected_share
    assert "heat-8" in browser.get("/portfolio?cohort=contract_type").text
    assert browser.get("/portfolio?cohort=%00").status_code == 200
    text = browser.text("/portfolio")
    assert "trained on" in text
    assert f"As of {FEBRUARY:%Y-%m-%d}" in text
    calibration = portfolio.trust.calibration
    assert calibration is not None
    assert calibration.as_of == FEBRUARY
    example = calibration.example
    assert f"of 100 users with {example.percent} %, {example.churned_of_100} left" in text


def test_the_portfolio_is_divided_by_tenure(scored: Platform, browser: Browser) -> None:
    with connect(scored.address) as connection:
        rows = connection.execute(
            "SELECT user_id, signup_date FROM frozen.users WHERE as_of = '2024-02-29'"
        ).fetchall()
    signups = dict(rows)
    everybody = list_at_risk(scored, RiskFilter(limit=1000)).users
    for user in everybody:
        assert user.segments["signup_date"] == band_on(FEBRUARY.date(), signups[user.key])
    portfolio = read_portfolio(scored)
    assert portfolio.tenure == "signup_date"
    segment = next(s for s in portfolio.segments if s.name == "signup_date")
    bands = [category.value for category in segment.categories]
    assert bands == [band for band in TENURE_BANDS if band in bands]
    assert len(bands) > 3
    rows_shown = csv_of(browser, "/portfolio?cohort=signup_date&format=csv&table=cohorts")
    for row, category in zip(rows_shown, segment.categories, strict=True):
        assert row["signup_date"] == category.value
        assert float(row["2024-02-29"]) == category.expected_share
    chosen = RiskFilter(segments={"signup_date": bands[0]}, limit=1000)
    listed = list_at_risk(scored, chosen).users
    assert len(listed) == segment.categories[0].users
    assert "tenure in full months" in browser.text("/portfolio")


def band_on(day: date, signup: date) -> str:
    """The band of the full months from one day to another."""
    months = 12 * (day.year - signup.year) + day.month - signup.month
    months -= signup.day > day.day
    firsts = [first for first in TENURE_MONTHS if first <= months]
    return TENURE_BANDS[len(firsts) - 1]


def test_every_way_to_declare_the_tenure_gives_its_band(reading: Platform) -> None:
    cases = [
        ("since", "'2024-02-01'::date", "0-2"),
        ("since", "'2023-11-30'::date", "0-2"),
        ("since", "'2023-11-29'::date", "3-5"),
        ("since", "'2023-02-28T23:00:00Z'::timestamptz", "12-23"),
        ("since", "'2024-03-01'::date", None),
        ("since", "NULL::date", None),
        ("months", "47::bigint", "24-47"),
        ("months", "2.99::float8", "0-2"),
        ("months", "-1::bigint", None),
        ("years", "4::bigint", "48+"),
        ("years", "0.25::float8", "3-5"),
        ("days", "100::bigint", "3-5"),
    ]
    for tenure, value, band in cases:
        column = SegmentColumn(
            table="t", name="c", label="c", values=TENURE_BANDS, tenure=cast("TenureUnit", tenure)
        )
        statement = sql.SQL("SELECT {} FROM (SELECT {} AS c) AS f").format(
            compose_category(column), sql.SQL(cast("LiteralString", value))
        )
        row = reading.connection.execute(statement, {"as_of": FEBRUARY}).fetchone()
        assert row == (band,), (tenure, value)


def test_without_a_tenure_the_portfolio_says_what_to_declare(reading: Platform) -> None:
    text = DEFAULT_PATH.read_text().replace(', tenure = "since"', "")
    catalog = parse_catalog(text, origin="without tenure")
    with browsed(replace(reading, catalog=catalog)) as visitor:
        assert "tenure = 'since' (a date)" in visitor.text("/portfolio")
        assert visitor.get("/portfolio?format=json").json()["tenure"] is None
        assert visitor.get("/at-risk?s.signup_date=0-2").status_code == FilterInvalid.http_status


def test_labels_of_a_drop_that_was_loaded_late_count(scored: Platform) -> None:
    """An earlier drop now dates the labels. Its revision has the number that was counted before."""
    connection = scored.connection
    model = scored.catalog.model
    with connection.transaction(force_rollback=True):
        before = read_newest_drops(connection, model, limit=1)[0]
        assert before.label_as_of == FEBRUARY
        source = FrozenSource(table="labels", key="user_id", as_of=JANUARY, revision=1)
        add_outcome(connection, before.id, source, "churn_label")
        assert read_newest_drops(connection, model, limit=1)[0].label_as_of == JANUARY


def test_a_page_is_small_asks_little_and_is_escaped(scored: Platform, browser: Browser) -> None:
    for path in all_pages(scored):
        page = browser.get(path)
        if page.status_code == 303:  # who needs no key is not asked for one
            continue
        assert page.status_code == 200, path
        assert len(STATEMENTS) <= MAX_STATEMENTS, (path, STATEMENTS)
        assert len(page.content) < MAX_PAGE_BYTES, path
        assert "<script>alert" not in page.text
        assert not re.findall(
            r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|javascript:", page.text
        )
        outside = re.findall(r'(?:src|href|action)="(?!/)([^"#][^"]*)"', page.text)
        assert not outside, (path, outside)
        assert len(re.findall("<h1>", page.text)) == 1
        assert "<title>" in page.text
    assert "&lt;script&gt;alert(1)" in browser.get("/at-risk").text


def test_script_and_style_are_small() -> None:
    sizes: dict[str, int] = {}
    for path in STATIC_FOLDER.iterdir():
        packed = len(gzip.compress(path.read_bytes()))
        sizes[path.suffix] = sizes.get(path.suffix, 0) + packed
    assert sizes[".js"] <= 40_000
    assert sizes[".css"] <= 20_000


def test_the_policy_allows_files_of_the_console_only(browser: Browser) -> None:
    page = browser.get("/at-risk")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert browser.get("/at-risk", headers={"Host": "evil.example.com"}).status_code == 400
    for name in ("console.css", "console.js", "icon.svg"):
        assert browser.get(f"/static/{name}").status_code == 200


def test_the_role_of_the_console_can_write_nothing(reading: Platform) -> None:
    for statement in (
        "INSERT INTO streamflow.score_segment VALUES (1, 'a', 'b', 1, 1, 1, 1)",
        "UPDATE streamflow.api_key SET revoked = now()",
        "DELETE FROM streamflow.score",
        "CREATE TABLE streamflow.planted (x text)",
        "SELECT * FROM streamflow.installation",
        "SELECT * FROM raw.users",
    ):
        refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
        with refused, connect(reading.address) as connection:
            connection.execute(statement)


def test_no_value_of_a_person_is_logged(scored: Platform, browser: Browser) -> None:
    key = list_at_risk(scored, RiskFilter(limit=1)).users[0].key
    browser.log.clear()
    browser.get(user_address(key))
    browser.get("/at-risk", params={"search": key})
    browser.get(f"/at-risk?after=0.5~{key}")
    lines = " ".join(browser.log)
    assert "/users/{key}" in lines
    assert key not in lines


@pytest.mark.parametrize("auth", ["off"])
def test_off_loopback_the_console_needs_keys(auth: str) -> None:
    settings = load_settings(api_auth=auth)
    require_keys_off_loopback(settings, "127.0.0.1")
    with pytest.raises(SettingsInvalid, match=r"0\.0\.0\.0"):
        require_keys_off_loopback(settings, "0.0.0.0")  # noqa: S104
    require_keys_off_loopback(load_settings(), "0.0.0.0")  # noqa: S104


def test_an_interrupted_summary_is_completed(scored: Platform, browser: Browser) -> None:
    """The scores are committed before they are added up."""
    run_id = newest_run(scored).id
    before = browser.get("/portfolio?format=json").text
    with scored.maintenance_connection() as connection:
        connection.execute("DELETE FROM streamflow.score_summary WHERE score_run = %s", [run_id])
        connection.execute("DELETE FROM streamflow.score_segment WHERE score_run = %s", [run_id])
    answer = browser.get("/portfolio")
    assert answer.status_code == 404
    assert f"streamflow score --as-of {FEBRUARY:%Y-%m-%d}" in answer.text
    assert browser.get("/at-risk").status_code == 200
    assert not score(scored, FEBRUARY, explain=True).new
    assert browser.get("/portfolio?format=json").text == before


def test_a_drop_that_was_scored_before_the_tenure_was_declared_is_completed(
    scored: Platform, browser: Browser
) -> None:
    before = read_portfolio(scored)
    with scored.maintenance_connection() as connection:
        connection.execute("DELETE FROM streamflow.score_segment WHERE name = 'signup_date'")
    assert "This command adds it up" in browser.text("/portfolio")
    assert not score(scored, FEBRUARY, explain=True).new
    after = read_portfolio(scored)
    assert [s.name for s in after.segments] == [s.name for s in before.segments]
    for segment, former in zip(after.segments, before.segments, strict=True):
        users = [(c.value, c.users, c.flagged) for c in segment.categories]
        assert users == [(c.value, c.users, c.flagged) for c in former.categories]


@given(
    path=st.sampled_from(["/at-risk", "/portfolio", "/users/x", "/login", "/static/x", "/"]),
    names=st.lists(
        st.sampled_from(["after", "moved", "s.contract_type", "s.x", "format", "table", "search"]),
        max_size=3,
    ),
    value=st.text(st.characters(codec="utf-8"), max_size=12)
    | st.sampled_from(["", "0.5~a", "1e309~a", "csv", "json", "up", "Two year", "\0"]),
)
def test_no_address_is_an_error_of_ours(
    browser: Browser, path: str, names: list[str], value: str
) -> None:
    answer = browser.get(path, params=[(name, value) for name in names])
    assert answer.status_code < 500, answer.text


def test_who_was_forgotten_is_on_no_page(scored: Platform, browser: Browser) -> None:
    """The last test: it changes the installation."""
    assert browser.get(user_address(KEY_WITH_SIGNS)).status_code == 200
    forget(scored, KEY_WITH_SIGNS, why="asked for")
    assert browser.get(user_address(KEY_WITH_SIGNS)).status_code == 404
    assert KEY_WITH_SIGNS not in browser.get("/at-risk").text


def test_an_empty_installation_says_what_to_run(platform: Platform, simulated_drops: Path) -> None:
    with open_platform(platform.settings, role=CONSOLE) as opened, browsed(opened) as visitor:
        for path in ("/at-risk", "/portfolio", "/users/7590-VHVEG"):
            answer = visitor.get(path)
            assert answer.status_code == 404
            assert "streamflow run DIR --as-of D" in answer.text
    load(platform, simulated_drops / "month_000", JANUARY)
    with open_platform(platform.settings, role=CONSOLE) as opened, browsed(opened) as visitor:
        assert (
            f"streamflow score --as-of {JANUARY:%Y-%m-%d} --explain" in visitor.get("/at-risk").text
        )


def test_a_position_is_a_value() -> None:
    assert json.loads(to_json(Position(probability=0.5, key="a"))) == {
        "probability": 0.5,
        "key": "a",
    }


def test_the_address_of_a_filter_has_only_what_was_chosen(browser: Browser) -> None:
    """The form sends a value for each column; the address is short enough for a letter."""
    sent = "/at-risk?s.net_service=*&s.contract_type=Two+year&moved=&s.user_gender=*"
    answer = browser.get(sent)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/at-risk?s.contract_type=Two+year",
    )
    for path in ("/at-risk?search=", "/at-risk?moved=&s.net_service=*"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/at-risk")
    # The users without a value are a choice.
    assert browser.get("/at-risk?s.net_service=").status_code == 200


def test_a_segment_may_have_the_name_of_a_column_of_ours(scored: Platform) -> None:
    """A column of loans may be called `defaulted`, and an answer has a field of this name."""
    names = {"contract_type": "prediction", "plan_stream_tv": "defaulted"}
    columns = {
        name: SegmentColumn(table="subscriptions", name=name, label=name, values=("true", "false"))
        for name in [*names, *names.values(), "flagged"]
    }
    (run,) = read_newest_drops(scored.connection, scored.catalog.model, limit=1)
    first = (2.0, "")
    query = ListQuery(
        run=run, earlier_run=None, key="user_id", key_type="string", position=first,
        segments={"subscriptions": [columns[name] for name in names]}, chosen={},
        least_change=None, most_change=None, limit=5,
    )  # fmt: skip
    renamed = {**query.segments, "subscriptions": [columns[name] for name in names.values()]}
    source = FrozenSource(table="subscriptions", key="user_id", as_of=run.as_of, revision=1)
    with connect(scored.login) as admin, admin.transaction(force_rollback=True):
        expected = read_list(admin, query)
        for name, new in {**names, "plan_stream_movies": "flagged"}.items():
            rename = sql.SQL("ALTER TABLE frozen.subscriptions RENAME {} TO {}")
            admin.execute(rename.format(sql.Identifier(name), sql.Identifier(new)))
        rows = read_list(admin, replace(query, segments=renamed))
        add_segments(admin, run.id, source, [columns["flagged"], columns["prediction"]])
        counted = admin.execute(
            "SELECT sum(flagged) FROM streamflow.score_segment"
            " WHERE name IN ('flagged', 'prediction') AND score_run = %s",
            [run.id],
        ).fetchone()
    for name, new in names.items():
        for row in expected:
            row[name_segment(new)] = row.pop(name_segment(name))
    assert [dict(sorted(row.items())) for row in rows] == [
        dict(sorted(row.items())) for row in expected
    ]
    assert counted == (2 * run.flagged,)


def test_a_corrected_drop_is_shown_by_its_newest_scores_though_only_the_former_have_reasons(
    scored: Platform,
) -> None:
    run = newest_run(scored)
    copy_run = (
        "INSERT INTO streamflow.score_run SELECT (jsonb_populate_record(r, %s)).*"
        " FROM streamflow.score_run r WHERE id = %s"
    )
    connection = scored.connection
    evidence = connection.execute(
        "SELECT evidence FROM streamflow.score_run WHERE id = %s", [run.id]
    ).fetchall()[0][0]
    with connection.transaction(force_rollback=True):
        same = {**evidence, "explained": False}
        for number, other in ((run.id + 1, same), (run.id + 2, {**same, "revisions": []})):
            values = {"id": number, "explained": False, "evidence_digest": str(number)}
            connection.execute(copy_run, [Jsonb({**values, "evidence": other}), run.id])
            newest = read_newest_drops(connection, scored.catalog.model, limit=1)[0].id
            # The first copy has the same rows without their reasons, the second one other rows.
            assert newest == (run.id if other is same else number)
        unneeded = scores.unneeded_runs(connection, [], None)
        assert {run.id, run.id + 1} <= set(unneeded)
        assert run.id + 2 not in unneeded


def test_a_list_whose_segments_lie_in_the_lake_only_is_refused(
    scored: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = (
        "INSERT INTO streamflow.lake_revision (table_name, as_of, revision, snapshot_id)"
        " SELECT table_name, as_of, revision, 1 FROM streamflow.revision WHERE as_of = %s"
    )
    connection = scored.connection
    with connection.transaction(force_rollback=True):
        connection.execute(insert, [FEBRUARY])
        # PostgreSQL has the rows, too.
        assert list_at_risk(scored, RiskFilter(limit=1)).users
        revisions = lake_revisions.revisions_in_lake(connection)
        monkeypatch.setattr(lake_revisions, "unloaded_revisions", lambda _: revisions)
        with pytest.raises(NothingScored, match="lie in the lake"):
            list_at_risk(scored, RiskFilter(limit=1))
    # The drop is not in the lake: no table of the lake is asked.
    assert list_at_risk(scored, RiskFilter(limit=1)).users
