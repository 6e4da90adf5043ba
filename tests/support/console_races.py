"""Change who is in Production from two consoles, a shell and MLflow's page, two of them at once.

Each person has a console of their own, as in two processes. A form is sent from a page that was
opened before the race. Calls are interleaved at the lock of the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlflow import MlflowClient

from streamflow.core.promotion.ledger import Entry, find_last_move
from streamflow.database import connect
from streamflow.errors import LedgerChanged
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform, open_platform
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.serving.api_keys import create_key
from streamflow.steps.stages.ledger import read_ledger, verify_ledger
from streamflow.steps.stages.transitions import disagreements, reconcile
from streamflow.web.active_keys import KeyRing
from support.console_pages import Browser, browsed, text_of
from support.interleaving import Call, interleave

FIRST = 1  # in Production when a race begins
FORMER = 2  # what a rollback puts back then
OTHER = 3
IN_MLFLOW = "MLflow moves"
PARTICIPANTS = {
    "ada": ("ada promotes", "ada rolls back"),
    "bob": ("bob promotes", "bob rolls back"),
    "a shell": ("a shell promotes", "a shell rolls back"),
    "MLflow": (IN_MLFLOW,),
}
ENTRY_ADDRESS = re.compile(r"/production/entries/(\d+)")


@dataclass
class Person:
    """Somebody with a browser and a console. name: how the ledger names the person."""

    name: str
    browser: Browser

    def open_form(self) -> dict[str, str]:
        """Open a page with a form; return its hidden fields."""
        page = self.browser.get("/production/rollback").text
        names = ("form_token", "newest_entry")
        found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
        return {name: match[1] for name, match in found.items() if match}

    def prepare_promotion(self, version: int) -> Call:
        """Open the page now; the form is sent when the result is called."""
        fields = {**self.open_form(), "force": "yes", "why": f"a race, by {self.name}"}
        return self._prepare(f"/versions/{version}/promote", fields)

    def prepare_rollback(self, _: int = FORMER) -> Call:
        return self._prepare("/production/rollback", {**self.open_form(), "why": "a race"})

    def _prepare(self, path: str, fields: dict[str, str]) -> Call:
        return lambda _: self.browser.send("POST", path, data=fields)


@contextmanager
def two_persons(platform: Platform) -> Iterator[tuple[Person, Person]]:
    """Two consoles that require keys, and a person with a key of scope admin at each.

    Both read as the writer: the role of MLflow's connections is that of the whole process.
    """
    with ExitStack() as closing:
        persons = []
        for name in ("ada", "bob"):
            key = create_key(platform, name, scope="admin", days=None)
            opened = closing.enter_context(open_platform(platform.settings))
            ring = KeyRing(partial(connect, opened.address, autocommit=True), print)
            keys = closing.enter_context(ring.keep_reading())
            browser = closing.enter_context(browsed(opened, keys))
            answer = browser.post("/login", browser.token(), key=key.key)
            assert answer.status_code == 303
            persons.append(Person(name=f"{name} (key {key.row.id})", browser=browser))
        yield persons[0], persons[1]


def move_in_mlflow(platform: Platform, version: int) -> None:
    """Put a version into Production as MLflow's page does."""
    client = MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)
    with ignore_stage_warnings():
        client.transition_model_version_stage(
            platform.catalog.model, str(version), "Production", archive_existing_versions=True
        )


def begin(platform: Platform) -> None:
    """Put the first version into Production, and the former one before it."""
    for version in (FORMER, FIRST):
        move_in_mlflow(platform, version)
        reconcile(platform)


def prepare_calls(ada: Person, bob: Person) -> dict[str, Callable[[], Call]]:
    """Return who takes part in races; each is prepared before the race begins."""
    forced = {"force": True, "why": "a race"}
    return {
        "ada promotes": lambda: ada.prepare_promotion(FORMER),
        "bob promotes": lambda: bob.prepare_promotion(OTHER),
        "ada rolls back": ada.prepare_rollback,
        "bob rolls back": bob.prepare_rollback,
        "a shell promotes": lambda: lambda p: promote(p, OTHER, **forced),  # type: ignore[arg-type]
        "a shell rolls back": lambda: rollback,
        IN_MLFLOW: lambda: lambda p: move_in_mlflow(p, OTHER),
    }


def run_race(platform: Platform, ada: Person, bob: Person, first: str, second: str) -> list[str]:
    """Let two change Production at once; return what does not agree after it."""
    begin(platform)
    before = len(read_ledger(platform))
    calls = prepare_calls(ada, bob)
    prepared = (calls[first](), calls[second]())
    results = interleave(platform, *prepared, "LEDGER", 1)
    if results is None:
        assert first == IN_MLFLOW, "every different change asks for the lock"
        results = (None, prepared[1](platform))
    reconcile(platform)
    faults = compare_receipts(read_ledger(platform)[before:], results, (ada, bob))
    # Who comes second has seen an older page. A move in MLflow waits for nobody: it comes first.
    statuses = [getattr(result, "status_code", None) for result in results]
    expected = (409 if second == IN_MLFLOW else 303, 409)
    faults += [
        f"{name}: the status is {status}"
        for name, status, right in zip((first, second), statuses, expected, strict=True)
        if status not in (None, right)
    ]
    return faults + list_disagreements(platform, ada) + list_disagreements(platform, bob)


def compare_receipts(
    entries: list[Entry], results: tuple[object, object], persons: tuple[Person, ...]
) -> list[str]:
    """Return what is wrong: each change has one entry, and each refused one has none."""
    faults = []
    numbers = []
    for result in results:
        status = getattr(result, "status_code", None)
        if status == 303:
            numbers.append(int(ENTRY_ADDRESS.fullmatch(_location(result))[1]))  # type: ignore[index]
        elif getattr(result, "seq", None) is not None:  # None: nothing was to be changed
            numbers.append(result.seq)
        elif status not in (None, LedgerChanged.http_status):
            faults.append(f"the status is {status}: {_text(result)}")
    made = [entry.seq for entry in entries if entry.action in ("promoted", "rolled back")]
    if sorted(numbers) != made:
        faults.append(f"receipts {sorted(numbers)}, entries {made}")
    names = {person.name for person in persons}
    by_form = sum(getattr(result, "status_code", None) == 303 for result in results)
    if sum(entry.who in names for entry in entries) != by_form:
        faults.append(f"{by_form} forms changed something: {[entry.who for entry in entries]}")
    return faults


def _location(result: Any) -> str:
    return str(result.headers["location"])


def _text(result: Any) -> str:
    return text_of(result.text)


def list_disagreements(platform: Platform, person: Person) -> list[str]:
    """Return where ledger, MLflow and the pages of a console say different things."""
    entries = read_ledger(platform)
    stages = platform.models.read_stages()
    last_move = find_last_move(entries)
    holder = last_move.to_version if last_move else None
    views: dict[str, object] = {
        "stage": stages.versions_by_stage["Production"],
        "alias": [stages.aliased_versions["Production"]],
        "ledger": [holder],
        "page": _versions_on_page(person.browser),
        "versions": _versions_in_list(person.browser),
    }
    faults = [f"{name}: {view}, {views}" for name, view in views.items() if view != [holder]]
    newest = person.browser.get("/production?format=json").json()[0]
    if (newest["seq"], newest["hash"]) != (entries[-1].seq, entries[-1].hash):
        faults.append(f"the page ends with entry {newest['seq']}")
    verdict = verify_ledger(platform)
    if verdict.broken is not None:
        faults.append(verdict.text)
    return faults + disagreements(platform)


def _versions_on_page(browser: Browser) -> list[int]:
    text = browser.text("/production")
    return [int(number) for number in re.findall(r"Version (\d+) is in Production", text)]


def _versions_in_list(browser: Browser) -> list[int]:
    versions = browser.get("/versions?format=json").json()
    return [version["version"] for version in versions if version["stage"] == "Production"]
