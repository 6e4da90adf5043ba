"""A Hypothesis state machine over the data steps, against a model of them in plain Python.

The model knows only what the design says. A drop replaces the raw rows of its as_of. A snapshot is
a
new revision of each
table whose content differs from its newest. A read as of an instant, as known at K, sees for each
as_of the newest revision
known at K, and of these for each key the newest as_of at or before the instant, within the ttl.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from streamflow.core.data.instants import instant_of_day
from streamflow.errors import DropConflict, EntityUnknown
from streamflow.platform import Platform
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.snapshot import snapshot
from support.frozen import TINY

Row = tuple[Any, ...]
Rows = dict[str, Row]

FILES = {
    "people": ("born",),
    "plan": ("tenure", "fee", "paperless", "net"),
    "usage": ("hours",),
    "labels": ("churned",),
}
TTL = {"plan": timedelta(days=62), "usage": timedelta(days=31)}
DAYS = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)]
KEYS = ["a", "b", "c", "Zoë"]
TEXTS = {
    "born": st.sampled_from(["2000-01-01", "1999-12-31"]),
    "tenure": st.sampled_from(["", "0", "9223372036854775807"]),
    "fee": st.sampled_from(["", "29.85", "0.1"]),
    "paperless": st.sampled_from(["", "True", "False"]),
    "net": st.sampled_from(["", "DSL", "Fiber"]),
    "hours": st.sampled_from(["", "1.5"]),
    "churned": st.sampled_from(["True", "False"]),
}
READERS: dict[str, Callable[[str], Any]] = {
    "tenure": int,
    "fee": float,
    "hours": float,
    "net": str,
    "paperless": lambda text: text == "True",
}


@dataclass
class Revision:
    """One frozen content of one table."""

    known_at: datetime
    rows: Rows


@dataclass
class Model:
    """What the database should hold: (table, as_of) -> rows, and -> revisions."""

    raw: dict[tuple[str, date], Rows] = field(default_factory=dict)
    frozen: dict[tuple[str, date], list[Revision]] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)

    def rows_to_freeze(self, table: str, as_of: date) -> Rows:
        """The rows of a drop; a key that a file with nullable features leaves out has nulls."""
        rows = self.raw[table, as_of]
        if table in TTL:
            return {
                key: rows.get(key, ("",) * len(FILES[table])) for key in self.raw["people", as_of]
            }
        return rows

    def read(self, table: str, key: str, at: datetime, known_at: datetime) -> Row:
        """The features of one key as of `at`, as known at `known_at`."""
        for as_of in sorted(
            (d for t, d in self.frozen if t == table and instant_of_day(d) <= at), reverse=True
        ):
            if at - instant_of_day(as_of) > TTL[table]:
                break
            known = [r for r in self.frozen[table, as_of] if r.known_at <= known_at]
            if known and key in known[-1].rows:
                values = zip(FILES[table], known[-1].rows[key], strict=True)
                return tuple(None if text == "" else READERS[name](text) for name, text in values)
        return (None,) * len(FILES[table])


def tiny_text() -> str:
    """The tiny catalog."""
    return TINY.format(key_type="string")


def make_machine(platform: Platform, superuser: str, folder: Path) -> type[RuleBasedStateMachine]:
    """The machine over one installation with the tiny catalog, which it empties before each run.

    `superuser` is a conninfo.
    """

    class Machine(RuleBasedStateMachine):
        done = 0  # steps of all runs

        def __init__(self) -> None:
            super().__init__()
            self.model = Model()
            self.drops = 0

        def check_invariants(
            self, settings: Any, output: Any, runtimes: Any
        ) -> None:  # once after each step
            type(self).done += 1
            super().check_invariants(settings, output, runtimes)

        @initialize()
        def empty(self) -> None:
            with psycopg.connect(superuser, autocommit=True) as connection:
                connection.execute(
                    "SET session_replication_role = replica"
                )  # the triggers would refuse it
                tables = ", ".join(
                    [f"raw.{t}, frozen.{t}" for t in FILES] + [f"streamflow.{t}" for t in EMPTIED]
                )
                connection.execute(f"TRUNCATE {tables}")  # type: ignore[arg-type]

        @rule(day=st.sampled_from(DAYS), data=st.data(), labelled=st.booleans())
        def deliver(self, day: date, data: st.DataObject, labelled: bool) -> None:
            """A drop, new, corrected or late."""
            people = data.draw(st.sets(st.sampled_from(KEYS), min_size=1))
            tables = [t for t in FILES if t != "labels" or labelled]
            delivered = {t: _rows(data, t, people) for t in tables}
            fits = (
                labelled
                or set(self.model.raw.get(("labels", day), {})) <= people - self.model.forgotten
            )
            if fits:
                self._ingest(delivered, day)

        @precondition(lambda self: any(t == "people" for t, _ in self.model.raw))
        @rule(data=st.data())
        def deliver_labels(self, data: st.DataObject) -> None:
            """A label file alone, for a drop that is known."""
            day = data.draw(st.sampled_from(sorted(d for t, d in self.model.raw if t == "people")))
            keys = sorted(self.model.raw["people", day])
            if keys:
                self._ingest(
                    {
                        "labels": {
                            k: _row(data, "labels")
                            for k in keys[: data.draw(st.integers(1, len(keys)))]
                        }
                    },
                    day,
                )

        def _ingest(self, delivered: dict[str, Rows], day: date) -> None:
            self.drops += 1
            drop = folder / f"drop{self.drops}"
            drop.mkdir(parents=True, exist_ok=True)
            for path in drop.iterdir():
                path.unlink()
            for table, rows in delivered.items():
                lines = [
                    ",".join(["user_id", *FILES[table]]),
                    *(",".join([key, *row]) for key, row in rows.items()),
                ]
                (drop / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
            try:
                ingest(platform, drop, instant_of_day(day), allow_same=True)
            except DropConflict:
                assert ("people", day) not in self.model.raw
                return
            for table, rows in delivered.items():
                self.model.raw[table, day] = {
                    k: v for k, v in rows.items() if k not in self.model.forgotten
                }

        @precondition(lambda self: self.model.raw)
        @rule(data=st.data())
        def freeze(self, data: st.DataObject) -> None:
            day = data.draw(st.sampled_from(sorted({d for _, d in self.model.raw})))
            receipt = {t.table: t for t in snapshot(platform, instant_of_day(day)).tables}
            made = {t for t, r in receipt.items() if r.created}
            known_at = _newest_known_at(platform)
            for table in (t for t in FILES if (t, day) in self.model.raw):
                rows, revisions = (
                    self.model.rows_to_freeze(table, day),
                    self.model.frozen.setdefault((table, day), []),
                )
                assert (table in made) == (not revisions or revisions[-1].rows != rows), table
                if table in made:
                    revisions.append(Revision(known_at, dict(rows)))

        @rule(key=st.sampled_from(KEYS))
        def erase(self, key: str) -> None:
            held = any(key in rows for rows in self.model.raw.values())
            held |= any(
                key in r.rows for revisions in self.model.frozen.values() for r in revisions
            )
            try:
                receipt = forget(platform, key, why="a test")
            except EntityUnknown:
                assert not held
                assert key not in self.model.forgotten
                return
            assert receipt.already == (not held)
            self.model.forgotten.add(key)
            for rows in self.model.raw.values():
                rows.pop(key, None)
            for revisions in self.model.frozen.values():
                for revision in revisions:
                    revision.rows.pop(key, None)

        @precondition(lambda self: self.model.frozen)
        @rule(data=st.data())
        def read(self, data: st.DataObject) -> None:
            """Every key at several instants and states of knowledge, through Feast."""
            known = sorted(
                {r.known_at for revisions in self.model.frozen.values() for r in revisions}
            )
            asked = [
                (key, instant_of_day(day) + shift, k + nudge)
                for key in [*KEYS, "nobody"]
                for day in data.draw(st.sets(st.sampled_from(DAYS), min_size=1, max_size=2))
                for shift in (
                    timedelta(0),
                    -timedelta(microseconds=1),
                    timedelta(days=31),
                    timedelta(days=62, microseconds=1),
                )
                for k in data.draw(st.sets(st.sampled_from(known), min_size=1, max_size=2))
                for nudge in (timedelta(0), -timedelta(microseconds=1))
            ]
            frame = pl.DataFrame(
                asked, schema=["user_id", "event_timestamp", "known_at"], orient="row"
            ).with_columns(pl.col("event_timestamp", "known_at").cast(pl.Datetime("us", "UTC")))
            answer = pl.DataFrame(platform.features.read_history(frame, platform.catalog.service))
            for table in TTL:
                expected = [self.model.read(table, *question) for question in asked]
                assert answer.select(FILES[table]).rows() == expected, table

    return Machine


EMPTIED = (
    "lake_revision",
    "drop_file",
    "revision_column",
    "passport_source",
    "pruned",
    "revision",
    "erasure",
    "reject",
)


def _rows(data: st.DataObject, table: str, people: set[str]) -> Rows:
    """Rows of all people in their own file, of at least one in the others."""
    keys = (
        people
        if table == "people"
        else data.draw(st.sets(st.sampled_from(sorted(people)), min_size=1))
    )
    return {key: _row(data, table) for key in sorted(keys)}


def _row(data: st.DataObject, table: str) -> Row:
    return tuple(data.draw(TEXTS[name]) for name in FILES[table])


def _newest_known_at(platform: Platform) -> datetime:
    row = platform.connection.execute("SELECT max(known_at) FROM streamflow.revision").fetchone()
    assert row is not None
    newest: datetime = row[0]
    return newest
