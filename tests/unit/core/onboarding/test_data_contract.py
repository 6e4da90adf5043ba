"""A catalog as a contract of the Open Data Contract Standard, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.telco import write_telco

from streamflow.catalog import Catalog, load_catalog, parse_catalog
from streamflow.core.data.catalog_definitions import catalog_from_values, catalog_to_values
from streamflow.core.onboarding.contract_export import catalog_to_contract
from streamflow.core.onboarding.contract_import import contract_to_values
from streamflow.errors import CatalogInvalid, StreamflowError
from streamflow.files.data_contracts import find_mistakes, read_contract
from streamflow.steps.data.data_contract import export_contract, import_contract

ROOT = Path(__file__).parents[4]
WITH_EVERYTHING = """
model = "churn"
ttl_days = 40
[entity]
name = "member"
key = "id"
type = "string"
max_length = 20
table = "members"
[label]
table = "outcomes"
column = "left_us"
[views.profile]
table = "members"
ttl_days = 31
max_age_days = 45
[views.money]
table = "payments"
[tables.members]
file = "Members.CSV"
[tables.members.columns.joined]
type = "date"
tenure = "since"
[tables.members.columns.fee]
type = "float"
min = 0.5
max = 900.0
header = "Monthly Fee"
words = "monthly fee"
view = "profile"
default = 1.5
[tables.members.columns.plan]
type = "string"
nullable = true
categories = ["Yes", "no", "1.0", "null"]
max_length = 8
categorical = true
view = "profile"
[tables.members.columns.visits]
type = "int"
min = 0.0
counter = true
[tables.members.columns.is_new]
type = "bool"
expr = "visits = 0"
view = "profile"
[tables.outcomes.columns.left_us]
type = "bool"
[events.payments]
file = "payments.parquet"
time = "paid_at"
[events.payments.columns.paid_at]
type = "timestamp"
[events.payments.columns.amount]
type = "float"
nullable = true
[events.payments.aggregates.failed_90d]
count = "amount is null"
days = 90
view = "money"
[files.members]
separator = ";"
key_header = "Member Id"
nulls = ["n/a"]
true = ["ja"]
trim = true
[files.payments]
ignore = ["note"]
key_header = "member"
"""
FOREIGN = """
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55-4ba2-a65f-72344a91553a
name: shop
version: 2.1.0
status: active
contractCreatedTs: 2024-01-31T10:00:00Z
team: {name: crm}
schema:
- name: customers
  physicalName: customers.csv
  properties:
  - {name: id, logicalType: integer, primaryKey: true, required: true}
  - name: spent
    logicalType: number
    physicalType: DOUBLE
    transformLogic: sum(orders.amount)
    required: true
    logicalTypeOptions: {minimum: 0, multipleOf: 0.01}
  - name: country
    logicalType: string
    logicalTypeOptions: {pattern: '^..$'}
    quality:
    - {metric: invalidValues, arguments: {validValues: [DE, FR]}, mustBe: 0}
    - {metric: nullValues, mustBeLessThan: 5}
  - {name: since, logicalType: date}
  - {name: gone, logicalType: boolean, required: true}
"""


def telco_catalog(tmp_path: Path) -> Catalog:
    """Return the catalog that `init` guesses for a file as a stranger has it."""
    from streamflow.steps.data.init import init

    write_telco(tmp_path / "telco", customers=300)
    init([tmp_path / "telco" / "month_000" / "telco.csv"], tmp_path / "guess.toml")
    return load_catalog(tmp_path / "guess.toml")


def catalog_of(name: str, tmp_path: Path) -> Catalog:
    if name == "init":
        return telco_catalog(tmp_path)
    return load_catalog(None) if name == "ours" else parse_catalog(WITH_EVERYTHING, origin="x")


@pytest.mark.parametrize("name", ["ours", "everything", "init"])
def test_a_catalog_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    catalog = catalog_of(name, tmp_path)
    file = tmp_path / "contract.yaml"
    exported = export_contract(catalog, file, version="1.2.0")
    assert (exported.model, exported.features) == (catalog.model, len(catalog.features))
    assert read_contract(file)["version"] == "1.2.0"
    receipt = import_contract(file, tmp_path / "copy.toml")
    copy = load_catalog(tmp_path / "copy.toml")
    assert receipt.notes == ()
    assert catalog_to_values(copy) == catalog_to_values(catalog)
    assert copy.service == catalog.service
    for table in catalog.frozen_tables:
        assert copy.headers(table) == catalog.headers(table)
        assert copy.reading(table) == catalog.reading(table)


def test_what_both_can_say_stands_in_the_fields_of_the_standard() -> None:
    contract = catalog_to_contract(parse_catalog(WITH_EVERYTHING, origin="x"), version="1.0.0")
    assert find_mistakes(contract) == []
    members = contract["schema"][0]
    assert members["physicalName"] == "Members.CSV"
    key, _, fee, plan, visits, is_new = members["properties"]
    assert (key["physicalName"], key["primaryKey"], key["unique"]) == ("Member Id", True, True)
    assert key["logicalTypeOptions"] == {"maxLength": 20}
    assert fee == {
        "name": "fee",
        "logicalType": "number",
        "required": True,
        "physicalName": "Monthly Fee",
        "businessName": "monthly fee",
        "logicalTypeOptions": {"minimum": 0.5, "maximum": 900.0},
        "customProperties": [
            {"property": "streamflowView", "value": "profile"},
            {"property": "streamflowDefault", "value": 1.5},
        ],
    }
    assert plan["quality"] == [
        {
            "type": "library",
            "metric": "invalidValues",
            "arguments": {"validValues": ["Yes", "no", "1.0", "null"]},
            "mustBe": 0,
        }
    ]
    assert str(visits["logicalTypeOptions"]) == "{'minimum': 0}"
    assert is_new["transformLogic"] == "visits = 0"
    assert is_new["customProperties"][1] == {"property": "streamflowDerived", "value": True}
    outcomes = contract["schema"][1]
    assert outcomes["properties"][0]["relationships"] == [{"to": "members.id"}]


def test_a_change_of_a_standard_field_changes_the_catalog() -> None:
    contract = catalog_to_contract(parse_catalog(WITH_EVERYTHING, origin="x"), version="1.0.0")
    fee = contract["schema"][0]["properties"][2]
    fee["logicalTypeOptions"]["maximum"] = 500
    fee["required"] = False
    columns = contract_to_values(contract).values["tables"][0]["columns"]
    changed = next(column for column in columns if column["name"] == "fee")
    assert (changed["max"], changed["nullable"]) == (500.0, True)


def test_a_contract_of_somebody_else_gives_a_catalog(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(FOREIGN, encoding="utf-8")
    with pytest.raises(CatalogInvalid, match="does not say which column is the label"):
        import_contract(file, tmp_path / "catalog.toml")
    receipt = import_contract(file, tmp_path / "catalog.toml", label=("customers", "gone"))
    catalog = load_catalog(tmp_path / "catalog.toml")
    assert (catalog.model, catalog.entity.key, catalog.entity.type) == ("shop", "id", "int")
    assert [feature.ref for feature in catalog.features] == [
        "customers_fv:spent",
        "customers_fv:country",
    ]
    assert catalog.columns("customers")["country"].categories == ("DE", "FR")
    # A label is no feature, so the one file becomes two tables, as with `init`.
    assert (catalog.label.table, catalog.label.column) == ("customers_label", "gone")
    assert catalog.file("customers_label") == catalog.file("customers") == "customers.csv"
    assert receipt.notes == (
        "contractCreatedTs is not kept: the contract",
        "multipleOf is not kept: customers.spent",
        "pattern is not kept: customers.country",
        "physicalType is not kept: customers.spent",
        "quality rule nullValues is not kept: customers.country",
        "team is not kept: the contract",
        "transformLogic is not kept: customers.spent",
    )
    with pytest.raises(StreamflowError, match="exists"):
        import_contract(file, tmp_path / "catalog.toml", label=("customers", "gone"))


def test_a_physical_name_that_is_no_file_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(FOREIGN.replace("customers.csv", "crm.customers_v2"), encoding="utf-8")
    receipt = import_contract(file, tmp_path / "catalog.toml", label=("customers", "gone"))
    assert "physicalName is not kept: customers" in receipt.notes
    assert load_catalog(tmp_path / "catalog.toml").file("customers") == "customers.csv"


@pytest.mark.parametrize(
    ("logical_type", "valid_values"),
    [
        ("integer", "[1, 2, 3]"),
        ("number", "[0.5]"),
        ("boolean", "[true, false]"),
        ("string", "[1]"),
    ],
)
def test_valid_values_that_are_no_texts_are_noted(
    tmp_path: Path, logical_type: str, valid_values: str
) -> None:
    text = FOREIGN.replace("name: country\n    logicalType: string", "name: country")
    text = text.replace("name: country", f"name: country\n    logicalType: {logical_type}")
    text = text.replace("    logicalTypeOptions: {pattern: '^..$'}\n", "")
    file = tmp_path / "shop.yaml"
    file.write_text(text.replace("[DE, FR]", valid_values), encoding="utf-8")
    receipt = import_contract(file, tmp_path / "catalog.toml", label=("customers", "gone"))
    assert "quality rule invalidValues is not kept: customers.country" in receipt.notes
    column = load_catalog(tmp_path / "catalog.toml").columns("customers")["country"]
    assert column.categories is None


def test_what_a_catalog_cannot_say_of_the_key_is_noted() -> None:
    contract = yaml.safe_load(FOREIGN)
    key = contract["schema"][0]["properties"][0]
    key |= {"description": "x", "logicalTypeOptions": {"minimum": 1, "maxLength": 9}, "quality": []}
    notes = contract_to_values(contract, label=("customers", "gone")).notes
    assert [note for note in notes if note.endswith(": customers.id")] == [
        "description is not kept: customers.id",
        "minimum is not kept: customers.id",
        "quality is not kept: customers.id",
    ]


def test_the_table_of_the_label_replaces_no_other_table() -> None:
    contract = yaml.safe_load(FOREIGN)
    key = {"name": "id", "logicalType": "integer", "required": True}
    other = {"name": "customers_label", "properties": [key, {"name": "on", "logicalType": "date"}]}
    contract["schema"].append(other)
    catalog = catalog_from_values(contract_to_values(contract, label=("customers", "gone")).values)
    assert list(catalog.columns("customers_label")) == ["id", "on"]
    assert (catalog.label.table, catalog.file(catalog.label.table)) == (
        "customers_label_2",
        "customers.csv",
    )


BOMB = "a: &a [1, 2]\nb: [*a, *a]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("just a text", "is not of type 'object'"),
        ("kind: DataContract", "'version' is a required property"),
        (FOREIGN.replace("logicalType: number", "logicalType: money"), "schema.1.properties.2"),
        (FOREIGN.replace("logicalType: date", "logicalType: time"), "expected a logicalType of"),
        (FOREIGN.replace("primaryKey: true, ", ""), "expected one property with primaryKey, got 0"),
        (FOREIGN.replace("name: spent", "name: Spent!"), "String should match pattern"),
        (BOMB, r"line 2: references \(\*name\) are not read"),
        ("a: [", "it cannot be read"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        (
            FOREIGN + "customProperties: [{property: streamflowViews, value: 3}]",
            "streamflowViews: expected a list of entries with a name",
        ),
        (
            FOREIGN + "customProperties: [{property: streamflowEntity, value: 3}]",
            "streamflowEntity: expected names with values",
        ),
        (FOREIGN.replace("name: spent", "name: country"), "the name country comes more than once"),
        (FOREIGN + "kind: DataContract", "the name 'kind' comes twice"),
        (FOREIGN + "1: x", "a name must be a text, got 1"),
        (FOREIGN.replace("customers.csv", "../customers.csv"), "lies outside the folder of a drop"),
        (FOREIGN.replace("customers.csv", "/etc/users.csv"), "lies outside the folder of a drop"),
        (FOREIGN.replace("minimum: 0", "minimum: 1" + "0" * 400), "a float can hold"),
        (FOREIGN.replace("minimum: 0", "minimum: .inf"), "a float can hold"),
        (FOREIGN.replace("schema:", f"schemas: {'x' * 5000}\nschema:"), "'schemas' was unexpected"),
    ],
)
def test_a_file_that_is_no_contract_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "contract.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogInvalid, match=message):
        import_contract(file, tmp_path / "catalog.toml", label=("customers", "gone"))
    assert not (tmp_path / "catalog.toml").exists()


def test_a_contract_with_a_label_of_no_column_is_refused() -> None:
    contract = {**yaml.safe_load(FOREIGN), "customProperties": []}
    contract["customProperties"] = [{"property": "streamflowLabel", "value": {"table": "users"}}]
    with pytest.raises(ValueError, match="streamflowLabel: expected a text as column"):
        contract_to_values(contract)


def test_our_properties_change_neither_name_nor_file_nor_columns_of_a_table() -> None:
    contract = yaml.safe_load(FOREIGN)
    aggregates = [{"name": "visits_30d", "count": "", "days": 30}]
    contract["schema"].append(
        {
            "name": "visits",
            "properties": [{"name": "id", "logicalType": "integer"}],
            "customProperties": [
                {
                    "property": "streamflowEvents",
                    "value": {"aggregates": aggregates, "file": "/etc/passwd", "columns": 5},
                },
                {"property": "streamflowFileFormat", "value": {"name": "x", "separator": ";"}},
            ],
        }
    )
    values = contract_to_values(contract, label=("customers", "gone")).values
    assert values["files"][0]["name"] == "visits"
    assert values["events"] == [
        {
            "name": "visits",
            "file": "visits.csv",
            "columns": [],
            "time": None,
            "aggregates": aggregates,
        }
    ]


def test_a_mistake_quotes_only_the_beginning_of_a_long_value() -> None:
    mistakes = find_mistakes({"schema": ["y" * 100_000]})
    assert max(map(len, mistakes)) < 400


def test_the_example_of_the_documentation_is_what_is_written() -> None:
    page = (ROOT / "docs" / "how-to" / "data-contract.md").read_text(encoding="utf-8")
    shown: Any = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    contract = catalog_to_contract(load_catalog(None), version="1.0.0")
    properties = {
        (element["name"], entry["name"]): entry
        for element in contract["schema"]
        for entry in element["properties"]
    }
    for entry in shown:
        assert entry in properties.values()
