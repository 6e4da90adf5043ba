"""From files as people have them to checked rows: `init` guesses, and `ingest`'s reader agrees."""

from __future__ import annotations

import gzip
import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from support.excel import with_empty_text

from streamflow.catalog import Catalog, load_catalog
from streamflow.errors import CatalogInvalid
from streamflow.settings import Settings
from streamflow.steps.data.drop_reading import CheckedDrop, inspect_files, read_drop
from streamflow.steps.data.init import InitReceipt, init

TELCO_HEADER = (
    "customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,"
    "InternetService,OnlineSecurity,OnlineBackup,DeviceProtection,TechSupport,StreamingTV,"
    "StreamingMovies,Contract,PaperlessBilling,PaymentMethod,MonthlyCharges,TotalCharges,Churn"
)
ROWS = 200


class Guess:
    """A catalog that `init` wrote, and the rows that `ingest` would load by it."""

    def __init__(self, folder: Path, sources: Sequence[Path], **options: object) -> None:
        out = folder.parent / "catalog.toml"
        self.receipt: InitReceipt = init(sources, out, **options)  # type: ignore[arg-type]
        self.text = out.read_text(encoding="utf-8")
        self.catalog: Catalog = load_catalog(out)
        tables = tuple(self.catalog.tables)
        with ExitStack() as closing:
            facts = inspect_files(folder, self.catalog, tables)
            self.drop: CheckedDrop = read_drop(
                folder,
                self.catalog,
                facts,
                {},
                as_of=datetime(2024, 1, 31, tzinfo=UTC),
                space=folder.parent,
                closing=closing,
                notify=lambda _: None,
            )
            self.rows = {
                table: pl.concat(list(spool.read_frames()))
                for table, spool in self.drop.spools.items()
            }

    def values(self, table: str, column: str) -> list[object]:
        return self.rows[table][column].to_list()


def written(folder: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


@pytest.fixture
def guessed(tmp_path: Path) -> Callable[..., Guess]:
    def guess(files: Mapping[str, str | bytes], **options: object) -> Guess:
        folder = tmp_path / "drop"
        return Guess(folder, written(folder, files), **options)

    return guess


def refusal(folder: Path, files: Mapping[str, str | bytes], **options: object) -> str:
    with pytest.raises(CatalogInvalid) as error:
        init(written(folder, files), folder / "out.toml", **options)  # type: ignore[arg-type]
    assert not (folder / "out.toml").exists()
    assert error.value.remedy.endswith("run 'streamflow init' again.")
    return str(error.value)


def lines(header: str, row: Callable[[int], Sequence[object]], rows: int = ROWS) -> str:
    separator = ";" if ";" in header else ","
    cells = [separator.join(map(str, row(number))) for number in range(rows)]
    return "\n".join([header, *cells]) + "\n"


def telco(number: int) -> list[object]:
    """Write a row in the form of IBM's 21 columns: a blank total in the first month."""
    draw = random.Random(number)
    tenure = 0 if number % 40 == 7 else draw.randint(1, 72)
    fee = draw.randint(1800, 11800) / 100
    words = ["Yes", "No"]
    service = ["Yes", "No", "No internet service"]
    return [
        f"{number:04}-ABCDE",
        draw.choice(["Male", "Female"]),
        draw.randint(0, 1),
        draw.choice(words),
        draw.choice(words),
        tenure,
        draw.choice(words),
        draw.choice(["Yes", "No", "No phone service"]),
        draw.choice(["DSL", "Fiber optic", "No"]),
        *(draw.choice(service) for _ in range(6)),
        draw.choice(["Month-to-month", "One year", "Two year"]),
        draw.choice(words),
        draw.choice(["Electronic check", "Mailed check"]),
        fee,
        round(fee * tenure, 2) if tenure else " ",
        "Yes" if number % 4 == 0 else "No",
    ]


def test_the_telco_file_is_read_as_it_is(guessed: Callable[..., Guess]) -> None:
    guess = guessed({"telco.csv": lines(TELCO_HEADER, telco)})
    assert guess.drop.violations == ()
    assert (guess.receipt.key, guess.receipt.label) == ("customer_id", "telco_label.churn")
    assert sum(guess.values("telco_label", "churn")) == ROWS / 4
    assert guess.values("telco", "total_charges").count(None) == 5
    assert len(guess.catalog.features) == 19
    assert "Churn" not in guess.catalog.headers("telco").values()
    total = "TotalCharges: 195 numbers, 5 cells ' ', first in line 9"
    assert any(total in decision for decision in guess.receipt.decisions)
    assert 'nulls = [" "]' in guess.text


def test_a_label_in_words_of_its_own(guessed: Callable[..., Guess]) -> None:
    header = (
        "CLIENTNUM,Attrition_Flag,Customer_Age,Education_Level,Credit_Limit,Total_Trans_Ct,"
        "Naive_Bayes_Classifier_Attrition_Flag_1"
    )
    guess = guessed(
        {
            "BankChurners.csv": lines(
                header,
                lambda n: [
                    768805383 + 7 * n,
                    "Attrited Customer" if n % 6 == 0 else "Existing Customer",
                    30 + n % 40,
                    ["Graduate", "Unknown", "High School"][n % 3],
                    1438.3 + n,
                    n % 90,
                    n / 1e5,
                ],
            )
        }
    )
    assert guess.drop.violations == ()
    assert (guess.receipt.key, guess.receipt.key_type) == ("clientnum", "int")
    assert sum(guess.values("bank_churners_label", "attrition_flag")) == 34
    leak = "Naive_Bayes_Classifier_Attrition_Flag_1: its name speaks of the outcome"
    assert any(leak in column for column in guess.receipt.left_out)
    education = guess.catalog.tables["bank_churners"].columns["education_level"]
    assert education.categories == ("Graduate", "High School", "Unknown")


IRANIAN_HEADER = (
    "Call  Failure,Complains,Subscription  Length,Charge  Amount,Seconds of Use,"
    "Frequency of use,Frequency of SMS,Distinct Called Numbers,Age Group,Tariff Plan,Status,"
    "Age,Customer Value,Churn"
)


def iranian(number: int) -> list[object]:
    row = number % 150  # the last 50 rows are copies
    return [row % 9, 0, 38, row % 4, 4370 + row, 71, 5, 17, 3, 1, 1, 30, f"{197 + row}.64", row % 2]


def test_without_a_key_the_rows_are_numbered_and_copies_are_counted(
    guessed: Callable[..., Guess], tmp_path: Path
) -> None:
    files = {"iranian.csv": lines(IRANIAN_HEADER, iranian)}
    said = refusal(tmp_path / "refused", files)
    assert "iranian.csv: no column is different in each row" in said
    assert "--make-key" in said
    guess = guessed(files, make_key=True)
    assert guess.drop.violations == ()
    assert guess.values("iranian", "row_number") == list(range(1, ROWS + 1))
    assert guess.values("iranian_label", "row_number") == list(range(1, ROWS + 1))
    assert guess.catalog.tables["iranian"].columns["call_failure"].header == "Call  Failure"
    decisions = " ".join(guess.receipt.decisions)
    assert "no row of a second month can be joined" in decisions
    assert "50 of 200 rows equal an earlier row in every column but the key" in decisions


def german(number: int) -> list[object]:
    left = f"{1 + number % 28:02}.11.2023" if number % 5 == 0 else ""
    fee = f"{number % 70 + 1}.{number % 1000:03},5{number % 10} €"
    return [1000 + number, f"Müller {number}", fee, f"{number % 100},5 %", "15.03.2020", left]


def test_a_german_export_in_windows_1252_with_a_date_of_leaving(
    guessed: Callable[..., Guess],
) -> None:
    text = lines("Kunden-Nr;Name;Beitrag (€);Rabatt;Eintritt;Kündigung am", german)
    guess = guessed({"Kunden.csv": text.encode("windows-1252")}, label="Kündigung am")
    assert guess.drop.violations == ()
    assert guess.values("kunden", "beitrag_eur")[1] == 2001.51
    assert guess.values("kunden", "rabatt")[1] == 1.5
    assert str(guess.values("kunden_label", "kuendigung_am")[0]) == "2023-11-01"
    label = guess.catalog.tables["kunden_label"].columns["churned"]
    assert label.expr == "coalesce(kuendigung_am <= as_of, false)"
    readings = " ".join(guess.receipt.readings)
    assert "402 of 1,206 cells (33.33%) decide it" in readings
    for reading in ('separator = ";"', 'decimal = ","', 'thousands = "."', 'dates = "DD.MM.YYYY"'):
        assert reading in readings
    assert 'signs = ["%", "€"]' in guess.text


SMALL = "id,fee,churn\n1,10,Yes\n2,20,No\n3,30,No\n4,40,No\n5,50,Yes\n6,60,No\n"


@pytest.mark.parametrize(
    ("content", "option"),
    [
        (b"\xef\xbb\xbf" + SMALL.encode(), 'encoding = "utf-8-sig"'),
        (SMALL.encode("utf-16"), 'encoding = "utf-16"'),
        (SMALL.encode("utf-16-be"), 'encoding = "utf-16-be"'),
        (SMALL.replace(",", ";").encode(), 'separator = ";"'),
        (SMALL.replace(",", "\t").encode(), 'separator = "\\t"'),
        (SMALL.replace(",", "|").encode(), 'separator = "|"'),
        (b"sep=,\r\n" + SMALL.encode(), "skip_lines = 1"),
        (b"Report of customers\n\n" + SMALL.encode(), "skip_lines = 2"),
        (SMALL.replace("\n", ",\n").encode(), 'ignore = [""]'),
        (SMALL.replace("id,fee", " id ,fee ").encode(), "trim = true"),
        (SMALL.replace("\n", "\r").encode(), ""),
        (SMALL.replace("10,", "$10,").encode(), 'signs = ["$"]'),
    ],
)
def test_each_way_to_write_a_file_is_declared_and_read(
    guessed: Callable[..., Guess], content: bytes, option: str
) -> None:
    guess = guessed({"people.csv": content})
    assert option in guess.text
    assert guess.drop.violations == ()
    assert guess.values("people", "fee") == [10, 20, 30, 40, 50, 60]
    assert guess.values("people_label", "churn") == [True, False, False, False, True, False]


def test_an_index_without_a_header_is_ignored(guessed: Callable[..., Guess]) -> None:
    indexed = "\n".join(f"{n},{line}" for n, line in enumerate(SMALL.splitlines(), -1))
    guess = guessed({"people.csv": indexed.removeprefix("-1")})
    assert guess.drop.violations == ()
    assert 'ignore = [""]  # guessed: 1 column has no header, an index' in guess.text
    assert guess.values("people", "fee") == [10, 20, 30, 40, 50, 60]


def test_gzip_excel_and_parquet(guessed: Callable[..., Guess], tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in [["Customer", "Fee", "Since"], *([n, n / 2, None] for n in range(1, 7))]:
        sheet.append(row)
    workbook.save(folder / "customers.xlsx")
    pl.DataFrame({"customer": list(range(1, 7)), "visits": [3] * 6}).write_parquet(
        folder / "visits.parquet"
    )
    outcome = "customer,left\n" + "".join(f"{n},{n % 2}\n" for n in range(1, 7))
    (folder / "outcome.csv.gz").write_bytes(gzip.compress(outcome.encode()))
    guess = Guess(folder, [folder], key="customer")
    assert guess.drop.violations == ()
    assert guess.values("customers", "fee") == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert guess.values("outcome", "left_given") == [True, False] * 3
    assert guess.catalog.headers("customers")["customer"] == "Customer"


def test_a_formula_whose_result_is_an_empty_text_is_an_empty_cell(
    guessed: Callable[..., Guess], tmp_path: Path
) -> None:
    workbook = openpyxl.Workbook()
    for row in [["customer", "fee"], *([n, n / 2] for n in range(1, 7))]:
        workbook.active.append(row)
    path = tmp_path / "customers.xlsx"
    workbook.save(path)
    outcome = "customer,left\n" + "".join(f"{n},{n % 2}\n" for n in range(1, 7))
    guess = guessed(
        {"customers.xlsx": with_empty_text(path.read_bytes(), "B3"), "outcome.csv": outcome}
    )
    assert guess.drop.violations == ()
    assert guess.values("customers", "fee") == [0.5, None, 1.5, 2.0, 2.5, 3.0]


def test_ids_like_1_0_are_whole_numbers(guessed: Callable[..., Guess]) -> None:
    people = "id,fee\n" + "".join(f"{n}.0,{n}\n" for n in range(1, 7))
    left = "id,churned\n" + "".join(f"{n},{n % 2}\n" for n in range(1, 7))
    guess = guessed({"people.csv": people, "left.csv": left})
    assert guess.drop.violations == ()
    assert guess.values("people", "id") == [1, 2, 3, 4, 5, 6]
    assert guess.receipt.key_type == "int"


@pytest.mark.parametrize(
    ("cell", "shown"), [("3 ", "'3 '"), ("3\u00a0", r"'3\xa0'"), ("\u200b3", r"'\u200b3'")]
)
def test_an_id_with_hidden_characters_is_shown(tmp_path: Path, cell: str, shown: str) -> None:
    said = refusal(tmp_path, {"people.csv": SMALL.replace("\n3,", f"\n{cell},")})
    assert f"people.csv:4 column 'id': got {shown}" in said


def test_all_problems_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        {
            "a.csv": "id,x,x\n1,2,3\n",
            "b.csv": "id,y\n1,2\n2\n",
            "c.csv": b"PK\x03\x04",
            "d.csv": "id,z\n",
            "e.csv": 'id,z\n1,"2\n3,4\n',
        },
    )
    for problem in (
        "a.csv: column 'x' is in the header 2 times",
        "b.csv:3: expected 2 cells, got 1",
        "c.csv: it is a ZIP archive",
        "d.csv: it has a header and no rows",
        "e.csv:2: a cell from here to the end of the file",
    ):
        assert problem in said


def test_key_and_label_are_missed_together(tmp_path: Path) -> None:
    said = refusal(tmp_path, {"a.csv": "x,y\n1,2\n1,3\n1,4\n"}, label="Churn")
    assert "no column can be the key" in said
    assert "no column 'Churn'" in said


def test_a_label_that_does_not_exist_is_corrected(tmp_path: Path) -> None:
    said = refusal(tmp_path, {"people.csv": SMALL}, label="Churn")
    assert "no column 'Churn'; did you mean 'churn'?" in said


def test_the_value_of_who_left_is_named(guessed: Callable[..., Guess]) -> None:
    text = SMALL.replace("churn", "state").replace("Yes", "B").replace("No", "A")
    guess = guessed({"people.csv": text}, label="state=B")
    assert guess.drop.violations == ()
    assert guess.values("people_label", "state") == [True, False, False, False, True, False]


def test_a_foot_and_a_second_header_are_named_with_their_lines(tmp_path: Path) -> None:
    left = "id,churned\n" + "".join(f"{n},{n % 2}\n" for n in range(1, 40))
    people = "id,fee\n" + "".join(f"{n},{n}\n" for n in range(1, 40))
    said = refusal(tmp_path / "foot", {"people.csv": f"{people}Total,780\n", "left.csv": left})
    assert "column 'id' holds the name of a sum in people.csv:41: 'Total'" in said
    named = people.replace("\n", "\nA")[:-1]
    files = {"people.csv": f"{named}Total,780\n", "left.csv": left.replace("\n", "\nA")[:-1]}
    said = refusal(tmp_path / "text", files)
    assert "people.csv:41 column 'id': got 'Total'; it is no key but a sum" in said
    said = refusal(tmp_path / "head", {"people.csv": f"{people}id,fee\n40,1\n", "left.csv": left})
    assert "people.csv:41: the header is repeated here" in said


def test_a_key_that_the_largest_file_does_not_have_is_named(tmp_path: Path) -> None:
    people = "id,fee\nA1,1\nA2,2\nA3,3\n"
    left = "id,churned\na1,True\nA2,False\n"
    said = refusal(tmp_path, {"people.csv": people, "left.csv": left})
    assert "left.csv:2 'a1': 1 key is not in people.csv" in said


def test_numbers_with_a_few_texts_stay_numbers_and_the_texts_are_listed(
    guessed: Callable[..., Guess],
) -> None:
    text = lines(
        "id,score,plan,churn",
        lambda n: [n, {3: "n/a", 50: "many"}.get(n, n / 4), "n/a" if n % 2 else "basic", n % 2],
    )
    guess = guessed({"people.csv": text})
    assert [(v.row, v.column, v.got) for v in guess.drop.violations] == [(50, "score", "'many'")]
    score = guess.catalog.tables["people"].columns["score"]
    assert (score.type, score.nullable) == ("float", True)
    # The word for null of one column is a null in the whole file.
    plan = guess.catalog.tables["people"].columns["plan"]
    assert (plan.categories, plan.nullable) == (("basic",), True)
    decision = next(d for d in guess.receipt.decisions if "score" in d)
    assert "198 numbers, 1 cell 'n/a', first in line 5; 1 cell 'many', first in line 52" in decision
    assert "'ingest' refuses the cells that are no word for null" in decision


def test_several_columns_that_say_the_outcome_are_one_label_and_no_features(
    guessed: Callable[..., Guess],
) -> None:
    text = lines(
        "CustomerID,Count,Zip Code,Tenure Months,Churn Label,Churn Value,Churn Score,Churn Reason",
        lambda n: [
            f"{n:04}-QPYBK",
            1,
            90001 + n,
            n % 72,
            "Yes" if n % 3 == 0 else "No",
            int(n % 3 == 0),
            40 + n % 60,
            "Moved" if n % 3 == 0 else "",
        ],
    )
    guess = guessed({"ibm.csv": text})
    assert guess.drop.violations == ()
    assert guess.receipt.label == "ibm_label.churn_label"
    assert guess.receipt.tables[0].features == ("count", "tenure_months")
    assert guess.receipt.left_out == (
        "ibm.csv: Zip Code: it looks like the key of something else",
        "ibm.csv: Churn Value: it says the same as the label",
        "ibm.csv: Churn Score: its name speaks of the outcome; "
        "give it a view if it is known before",
        "ibm.csv: Churn Reason: its name speaks of the outcome; "
        "give it a view if it is known before",
    )


def test_row_numbers_and_names_are_no_features(guessed: Callable[..., Guess]) -> None:
    text = lines(
        "RowNumber,CustomerId,Surname,Balance,Exited",
        lambda n: [n + 1, 15634602 + 13 * n, f"Name{n}", f"{n}.5 EUR", n % 5 // 4],
    )
    guess = guessed({"bank.csv": text})
    assert guess.drop.violations == ()
    assert (guess.receipt.key, guess.receipt.label) == ("customer_id", "bank_label.exited")
    assert guess.receipt.left_out == (
        "bank.csv: RowNumber: it numbers the rows",
        "bank.csv: Surname: it is free text: more than 30 different values",
    )
    assert guess.values("bank", "balance")[:2] == [0.5, 1.5]


def test_init_asks_for_money_in_a_file_with_comments_only(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,age,churn\n1,20,Yes\n2,30,No\n3,40,No\n")
    receipt = init([tmp_path / "users.csv"], tmp_path / "catalog.toml")
    file = tmp_path / "streamflow.toml"
    assert receipt.settings == file
    text = file.read_text()
    assert tomllib.loads(text) == {}
    for name in ("kept_value", "offer_cost", "offer_success", "offer_budget"):
        assert f"# {name} = " in text
        assert name in Settings.model_fields
    file.write_text("seed = 7\n")
    receipt = init([tmp_path / "users.csv"], tmp_path / "catalog.toml", force=True)
    assert (receipt.settings, file.read_text()) == (None, "seed = 7\n")


def payment(number: int) -> list[object]:
    status = ("ok", "it's late")[number % 2]
    return [f"C{number % 50:03d}", f"2024-01-{number % 28 + 1:02d} 10:00:00", status, "1,5"]


def test_a_file_with_several_rows_per_key_becomes_events(
    guessed: Callable[..., Guess],
) -> None:
    rows = "".join(";".join(map(str, payment(number))) + "\n" for number in range(120))
    customers = "".join(f"C{n:03d},{20 + n % 9},{'YN'[n % 2]}\n" for n in range(60))
    guess = guessed(
        {
            "customers.csv": f"customerID,Age,Churn\n{customers}",
            "Payments.csv": f"customerID;Paid At;Status;Amount\n{rows}",
        },
        label="Churn=Y",
    )
    events = guess.catalog.events["payments"]
    assert (events.file, events.time) == ("Payments.csv", "paid_at")
    assert list(events.columns) == ["paid_at", "status", "amount"]
    assert {
        name: aggregate.describe("paid_at") for name, aggregate in events.aggregates.items()
    } == {
        "payments_30d": "count of (true) in 30 days of paid_at",
        "payments_90d": "count of (true) in 90 days of paid_at",
        "days_since_payments": "days_since of (true) in all time of paid_at",
        "status_it_s_late_90d": "count of (status = 'it''s late') in 90 days of paid_at",
        "status_ok_90d": "count of (status = 'ok') in 90 days of paid_at",
        "last_status": "last of (status) in all time of paid_at",
        "amount_sum_90d": "sum of (amount) in 90 days of paid_at",
        "amount_mean": "mean of (amount) in all time of paid_at",
    }
    assert guess.catalog.views["payments_fv"].table == "payments"
    assert [table.features for table in guess.receipt.tables if table.table == "payments"] == [
        tuple(events.aggregates)
    ]


def test_a_key_that_repeats_as_a_whole_number_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, {"users.csv": "id,churn\n1,Yes\n1.0,No\n2,Yes\n"})
    assert (
        "users.csv: column 'id' repeats: 3 different values in 3 rows, '1' twice or more"
        " (1.0 is the same key as 1)" in text
    )


def test_one_user_twice_among_all_users_is_no_event(tmp_path: Path) -> None:
    labels = [f"{user},{user % 2}" for user in range(100)]
    users = [f"{user},2024-01-{user % 28 + 1:02}" for user in [*range(100), 7]]
    text = refusal(
        tmp_path,
        {
            "labels.csv": "\n".join(["user_id,churn", *labels, ""]),
            "users.csv": "\n".join(["user_id,signup_date", *users, ""]),
        },
    )
    assert "column 'user_id' repeats: 100 different values in 101 rows, '7' twice or more" in text


def test_a_repeated_key_without_a_time_is_no_event(tmp_path: Path) -> None:
    text = refusal(
        tmp_path,
        {
            "customers.csv": "id,age,churn\n1,20,Yes\n2,30,No\n3,40,No\n",
            "payments.csv": "id,amount\n1,5\n1,6\n2,7\n",
        },
    )
    assert "payments.csv: column 'id' repeats" in text
