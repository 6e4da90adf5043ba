"""What `init` guesses from what it sees, and what it refuses to guess."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow.catalog import (
    STRICT_CSV,
    Catalog,
    Column,
    kind_of,
    load_catalog,
    parse_catalog,
)
from streamflow.catalog.file_format import BLANKS
from streamflow.core.data.catalog_definitions import quote_toml
from streamflow.core.data.cell_contract import read_cells
from streamflow.core.onboarding.catalog_guess import CatalogGuess, guess_catalog
from streamflow.core.onboarding.catalog_text import catalog_text
from streamflow.core.onboarding.column_guess import FileFacts, guess_column
from streamflow.core.onboarding.column_names import derive_names
from streamflow.core.onboarding.column_profile import ColumnProfile, FileProfile
from streamflow.core.onboarding.column_roles import KeyGuess, find_key
from streamflow.core.onboarding.file_batch import count_batch
from streamflow.core.onboarding.file_tally import FileTally
from streamflow.core.onboarding.label_column import LabelGuess, find_label
from streamflow.core.onboarding.problems import Problem, refuse
from streamflow.errors import CatalogInvalid, StreamflowError
from streamflow.steps.data.init import init

Cells = Sequence[str | None]


def profiled(file: str, **columns: Cells) -> FileProfile:
    """Profile a file of these columns, in two batches."""
    text = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    tally = FileTally(file, text.columns, STRICT_CSV)
    for rows in np.array_split(np.arange(len(text)), 2):
        if len(rows):
            expected = tally.expect()
            tally.add(count_batch(rows, text[rows], expected, STRICT_CSV, kind_of(file)))
    return tally.make_profile(derive_names(text.columns), {})


def column(*cells: str | None) -> Column:
    return guess_column(profiled("t.csv", c=cells).columns[0], FileFacts(view="t_fv")).column


def guessed(*files: FileProfile, label: str | None = None, key: str | None = None) -> CatalogGuess:
    chosen = find_key(files, key)
    found = find_label(files, getattr(chosen, "name", ""), label)
    problems = [guess for guess in (chosen, found) if isinstance(guess, Problem)]
    if problems:
        refuse(problems)
    assert isinstance(chosen, KeyGuess)
    assert isinstance(found, LabelGuess)
    population = max(f.rows for f in files)
    return guess_catalog(files, key=chosen, label=found, population=population)


def refusal(*files: FileProfile, label: str | None = None, key: str | None = None) -> str:
    with pytest.raises(CatalogInvalid) as error:
        guessed(*files, label=label, key=key)
    assert error.value.state == "No catalog was written."
    assert error.value.remedy.endswith("run 'streamflow init' again.")
    return error.value.message


IDS = ("1", "2", "3", "4", "5", "6")
MEMBERS = profiled("members.csv", member_id=IDS, age=("20", "31", "40", "25", "66", "18"))
LEFT = profiled("left.csv", member_id=IDS, churned=("True", "False") * 3)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (("1", "-20", "0"), "int"),
        (("9223372036854775807",), "int"),
        (("9223372036854775808", "1"), "string"),  # past 64 bits: a float would lose digits
        (("1", "2.5"), "float"),
        (("1e3", ".5", "-2."), "float"),
        (("1e309",), "string"),
        (("NaN", "1.0"), "float"),
        (("01234", "99999"), "string"),  # a postal code
        (("+4930", "+4940"), "string"),
        (("1,5", "2,5"), "string"),
        (("True", "False"), "bool"),
        (("true", "false"), "bool"),
        (("0", "1"), "int"),
        (("2024-02-29",), "date"),
        (("2024-02-30",), "string"),
        (("2024-01-31 10:00:00", "2024-02-01 00:00:00"), "timestamp"),
        (("2024-01-31T10:00:00Z",), "timestamp"),
        (("2024-01-31 10:00:00", "31.01.2024 10:00"), "string"),
        ((None, None), "string"),
    ],
)
def test_the_narrowest_type_that_loses_nothing(cells: Cells, kind: str) -> None:
    assert column(*cells).type == kind
    assert column(*cells, None).type == kind  # an empty cell is of every type


def test_an_empty_cell_anywhere_makes_a_column_nullable() -> None:
    assert not column("1", "2").nullable
    assert column(*["1"] * 50_000, None).nullable
    assert (column("True", None).categorical, column("True", "False").categorical) == (True, False)


def test_a_key_without_a_row_makes_features_nullable_and_is_said() -> None:
    visits = profiled("visits.csv", member_id=IDS[:4], visits=("1", "2", "3", "4"))
    found = guessed(MEMBERS, visits, LEFT)
    assert found.tables[1].columns[0].column.nullable
    assert "2 keys have no row here" in found.tables[1].columns[0].description
    assert any("visits.csv has 4 of 6 keys" in d for d in found.decisions)


def test_bounds_are_a_lower_one_of_zero_or_none() -> None:
    assert (column("3", "8").min, column("3", "8").max) == (0, None)
    assert column("-1.5", "2").min is None
    assert column("a", "b").min is None


def test_few_repeated_texts_are_categories_in_order_and_names_are_not() -> None:
    few = column(*["Plus", "Basic", None] * 3)
    assert (few.categories, few.categorical, few.view) == (("Basic", "Plus"), True, "t_fv")
    names = column("Ann", "Bob", "Cid")
    assert (names.categories, names.max_length, names.view) == (None, 32, None)
    many = column(*[f"town {n % 31}" for n in range(1000)])
    assert (many.categories, many.view) == (None, None)
    assert column("x" * 100).max_length == 256


def test_dates_identifiers_and_what_stands_beside_the_label_are_no_features() -> None:
    members = profiled(
        "members.csv",
        member_id=IDS,
        joined=["2024-01-01"] * 6,
        agent_id=["7", "8", "9"] * 2,
        plan=["a"] * 6,
        age=["1"] * 6,
    )
    left = profiled("left.csv", member_id=IDS, churned=["True", "False"] * 3, days_open=["3"] * 6)
    found = guessed(members, left)
    assert [t.features for t in found.tables] == [("plan", "age"), ()]
    assert list(found.views) == ["members_fv"]
    assert "it is in the file of the label" in found.tables[1].columns[1].description


def test_a_feature_name_is_served_once() -> None:
    one = profiled("a.csv", member_id=IDS, score=["1"] * 6)
    other = profiled("b.csv", member_id=IDS, score=["2"] * 6)
    assert [t.features for t in guessed(one, other, LEFT).tables] == [("score",), (), ()]


def test_the_key_is_in_every_file_and_unique_and_best_named_like_one() -> None:
    members = profiled("members.csv", email=list("abcdef"), member_id=IDS, age=IDS)
    left = profiled("left.csv", member_id=IDS, email=list("abcdef"), churned=("True", "False") * 3)
    assert find_key([members, left], None) == KeyGuess(name="member_id", alternatives=("email",))
    assert find_key([members, left], "email") == KeyGuess(name="email")
    found = guessed(members, left)
    assert (found.entity.name, found.entity.type, found.entity.table) == (
        "member",
        "int",
        "members",
    )
    assert any("could also be email" in d for d in found.decisions)


@pytest.mark.parametrize(
    ("ids", "kind"), [(("001", "002"), "string"), (("a", "b"), "string"), (("-1", "10"), "int")]
)
def test_the_type_of_the_key_keeps_its_zeros(ids: Cells, kind: str) -> None:
    members = profiled("members.csv", member_id=ids, age=("1", "2"))
    left = profiled("left.csv", member_id=ids, churned=("True", "False"))
    assert guessed(members, left).entity.type == kind


def test_a_key_that_repeats_or_lacks_is_an_error_with_the_candidates() -> None:
    visits = profiled("visits.csv", member_id=["1"] * 6, at=IDS)
    said = refusal(MEMBERS, visits, LEFT)
    assert (
        "visits.csv: column 'member_id' repeats: 1 different value in 6 rows, '1' twice or more"
        in said
    )
    said = refusal(MEMBERS, profiled("other.csv", person=IDS))
    assert "no column is in every file" in said
    assert "other.csv: different in each row are: person" in said
    assert "the key 'nr' is not a column of members.csv, left.csv" in refusal(
        MEMBERS, LEFT, key="nr"
    )


def test_the_label_is_found_by_its_name_or_alone_in_its_file() -> None:
    senior = profiled("members.csv", member_id=IDS, senior=("True", "False") * 3, age=IDS)
    assert guessed(senior, LEFT).label.model_dump() == {"table": "left", "column": "churned"}
    gone = profiled("gone.csv", member_id=IDS, gone=("True", "False") * 3)
    assert guessed(senior, gone).label.column == "gone"
    both = profiled(
        "out.csv", member_id=IDS, is_cancelled=("1", "0") * 3, lapsed=("yes", "no", "no") * 2
    )
    assert "out.csv: column 'lapsed' could be the label" in refusal(MEMBERS, both)
    assert guessed(MEMBERS, both, label="is_cancelled").label.column == "is_cancelled"


def test_no_label_is_an_error_that_says_what_was_looked_at() -> None:
    said = refusal(MEMBERS, profiled("left.csv", member_id=IDS, churned=("Yes", "No", "x") * 2))
    assert "no label found" in said
    assert "left.csv: column 'churned' holds 'No', 'Yes', 'x'" in said
    said = refusal(MEMBERS, profiled("left.csv", member_id=IDS, churned=("True", None) * 3))
    assert "column 'churned' is empty in 3 of 6 rows" in said
    assert "must say in every row who left" in refusal(MEMBERS, LEFT, label="age")


def test_a_label_in_other_words_is_named_beside_the_bools_that_are_none() -> None:
    plans = profiled("plans.csv", member_id=IDS, fee=IDS, auto_renew=("True", "False") * 3)
    said = refusal(MEMBERS, plans, profiled("left.csv", member_id=IDS, churned=("A", "B") * 3))
    assert "left.csv: column 'churned' holds 'A', 'B'" in said
    assert "plans.csv: column 'auto_renew' holds 'False', 'True'" in said


def test_a_label_of_one_class_is_said() -> None:
    found = guessed(MEMBERS, profiled("left.csv", member_id=IDS[:3], churned=["True"] * 3))
    assert any("'churned' is True in every row" in d for d in found.decisions)
    assert any("left.csv has 3 of 6 keys" in d for d in found.decisions)


def test_the_only_file_is_two_tables_and_the_entity_has_a_file_that_is_whole() -> None:
    found = guessed(profiled("all.csv", member_id=IDS, age=IDS, churned=("True", "False") * 3))
    assert [(t.file, t.table, t.features) for t in found.tables] == [
        ("all.csv", "all", ("age",)),
        ("all.csv", "all_label", ()),
    ]
    assert "no file except that of the label holds every 'member_id'" in refusal(
        profiled("a.csv", member_id=IDS[:4], age=IDS[:4]), LEFT
    )
    named = guessed(profiled("bills.csv", member_id=IDS, fee=IDS), MEMBERS, LEFT)
    assert named.entity.table == "members"


def test_no_header_is_refused_and_each_keeps_its_place_in_the_file() -> None:
    members = profiled(
        "a.csv", **{"Member ID": IDS, "as_of": IDS, "x" * 49: ["1"] * 6, "größe": ["7"] * 6}
    )
    left = profiled("b.csv", member_id=IDS, churned=("True", "False") * 3)
    found = guessed(members, left)
    headers = {c.name: c.column.header for c in found.tables[0].columns}
    assert headers == {"as_of_given": "as_of", "x" * 48: "x" * 49, "groesse": "größe"}
    assert found.tables[0].written.options == {"key_header": "Member ID"}
    assert found.tables[1].written.options == {}


def parsed(found: CatalogGuess) -> Catalog:
    return parse_catalog(catalog_text(found), origin="catalog.toml")


@given(
    st.lists(
        st.text(max_size=8).filter(lambda t: "\0" not in t).map(lambda t: t or None),
        min_size=4,
        max_size=12,
    )
    | st.lists(st.one_of(st.none(), st.integers(-(2**64), 2**64).map(str)), min_size=4, max_size=12)
    | st.lists(
        st.one_of(st.none(), st.floats().map(str), st.integers(0, 9).map(str)),
        min_size=4,
        max_size=12,
    )
    | st.lists(st.one_of(st.none(), st.dates().map(str)), min_size=4, max_size=12)
    | st.lists(st.one_of(st.none(), st.datetimes().map(str)), min_size=4, max_size=12)
    | st.lists(
        st.sampled_from(
            ["True", "False", "NA", " ", " a", 'a "quote"', "back\\slash", "line\nfeed", "\x7f"]
        ),
        min_size=4,
        max_size=12,
    )
)
def test_ingest_accepts_what_the_guess_was_made_from_and_the_text_says_the_guess(
    cells: list[str | None],
) -> None:
    ids = [str(n) for n in range(len(cells))]
    members = profiled("members.csv", member_id=ids, thing=cells, age=ids)
    left = profiled("left.csv", member_id=ids, churned=["True"] * len(ids))
    found = guessed(members, left)
    catalog = parsed(found)
    file_format = catalog.file_format("members")
    trims = file_format.trim
    facts = FileFacts(view="members_fv", nulls=file_format.nulls)
    text = pl.DataFrame(
        {"member_id": ids, "thing": cells, "age": ids}, schema_overrides={"thing": pl.String}
    )
    typed, wrong = read_cells(
        text,
        np.arange(len(ids)),
        catalog.columns("members"),
        key="member_id",
        table="members",
        file_format=file_format,
    )
    assert wrong == []
    nulls = [
        c
        for c in cells
        if c is None or c in file_format.nulls or not (c.strip(BLANKS) or not trims)
    ]
    assert typed["thing"].null_count() == len(nulls)
    assert (
        catalog.tables["members"].columns["thing"] == guess_column(members.columns[1], facts).column
    )


@given(st.text())
def test_any_text_can_be_quoted(text: str) -> None:
    encodable = text.encode("utf-8", "ignore").decode()
    assert tomllib.loads(f"x = {quote_toml(encodable)}")["x"] == encodable


def write(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


DROP = {
    "Gym Members.csv": 'member_id,age,"town"\n1,20,"A, B"\n2,30,""\n3,40,"A, B"\n4,50,"A, B"\n',
    "left.csv": "member_id,churned\n1,True\n2,False\n4,False\n3,False\n",
    "notes.txt": "not a table",
}


def test_init_writes_a_catalog_that_names_files_and_keeps_the_order_of_columns(
    tmp_path: Path,
) -> None:
    out = tmp_path / "catalog.toml"
    receipt = init([write(tmp_path / "drop", DROP)], out)
    catalog = load_catalog(out)
    assert (catalog.file("gym_members"), catalog.file("left")) == ("Gym Members.csv", "left.csv")
    town = catalog.tables["gym_members"].columns["town"]
    assert (town.categories, town.nullable) == (
        ("A, B",),
        True,
    )  # a quoted empty cell is an empty cell
    assert (receipt.model, receipt.keys, receipt.tables[0].features) == (
        "member_churned",
        4,
        ("age", "town"),
    )
    lines = [
        line
        for line in out.read_text(encoding="utf-8").splitlines()
        if line.startswith(("age ", "town", "key", "column"))
    ]
    assert all("  # guessed: " in line for line in lines)


def test_init_replaces_nothing_unless_it_is_told_to(tmp_path: Path) -> None:
    folder, out = write(tmp_path / "drop", DROP), tmp_path / "catalog.toml"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(StreamflowError, match="exists") as error:
        init([folder], out)
    assert "--force" in error.value.remedy
    assert out.read_text(encoding="utf-8") == "mine"
    init([folder], out, force=True)
    assert load_catalog(out).model == "member_churned"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalog.toml", "drop", "streamflow.toml"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "it holds no file that ends in .csv"),
        ({"a.csv": ""}, "a.csv: it has no header"),
        ({"a.csv": "PK\x03\x04 and so on"}, "a.csv: it is a ZIP archive"),
        ({"a.csv": "x,x\n1,2\n"}, "a.csv: column 'x' is in the header 2 times"),
        ({"a.csv": "member_id,x\n"}, "a.csv: it has a header and no rows"),
        ({"a.csv": "member_id,x\n1,2\n1,2,3\n"}, "a.csv:3: expected 2 cells, got 3"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, files: Mapping[str, str], said: str) -> None:
    with pytest.raises(CatalogInvalid) as error:
        init([write(tmp_path / "drop", files)], tmp_path / "catalog.toml")
    assert said in error.value.message
    assert not (tmp_path / "catalog.toml").exists()


def test_the_folder_above_the_drops_names_the_drop(tmp_path: Path) -> None:
    write(tmp_path / "month_000", DROP)
    with pytest.raises(CatalogInvalid, match="its subfolder month_000 does"):
        init([tmp_path], tmp_path / "catalog.toml")


def test_a_profile_counts_over_all_rows() -> None:
    found = profiled(
        "t.csv", key=[str(n) for n in range(5000)], x=[str(n / 2) for n in range(5000)]
    ).columns
    assert [(p.rows, p.can_be_key) for p in found] == [(5000, True), (5000, False)]
    assert isinstance(found[1], ColumnProfile)
    assert math.isclose(found[1].high or 0, 2499.5)


@pytest.mark.parametrize(
    ("cells", "blanks"),
    [
        (["a", "b", " ", "a", " ", "b"], [(" ", 2, 2)]),
        (["a", "b", "a", "b", "\t", " "], [("\t", 1, 4), (" ", 1, 5)]),
        # Before the first text, a blank cell is of no kind yet.
        ([" ", None, "NA", "a", " ", "b"], [(" ", 2, 0)]),
        (["1", "2", " ", "a", "b", " "], [(" ", 2, 2)]),
        # Of many texts the blank ones are not counted.
        ([" ", *map("text {}".format, range(300)), " "], []),
    ],
)
def test_a_blank_text_is_named_by_its_row(
    cells: Cells, blanks: Sequence[tuple[str, int, int]]
) -> None:
    (profile,) = profiled("t.csv", c=cells).columns
    assert profile.kind == "string"
    assert [(cell.value, cell.count, cell.row) for cell in profile.odd] == blanks
    assert profile.odd_cells == sum(count for _, count, _ in blanks)
