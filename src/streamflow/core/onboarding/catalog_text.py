"""A guessed catalog as TOML: every guess is marked on its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamflow.catalog import Column
from streamflow.core.data.catalog_definitions import quoted
from streamflow.core.onboarding.catalog_guess import Guess, TableGuess

HEAD = """\
# What the data mean: declared once, here. 'streamflow init' guessed it from one folder of files: read it before the first
# drop is frozen, since a column's type cannot change after that.
#
# A column:  type        int | float | bool | string | date | timestamp   (64 bit numbers)
#            nullable    a null is a value: accepted, trained on and served. Default false: a null is refused.
#            min, max    inclusive bounds        categories   the only values allowed        max_length   in characters
#            view        the feature view that serves this column as a feature; without it, it is frozen but not served
#            categorical the model treats the feature as categories, not as a number
#            default     of a feature: served, and said in the answer, where there is no value or one that is too old; else refused
#            counter     a number that grows from drop to drop: `honesty` warns where it does not
#            words       what people call it, for reasons; without it the name, with spaces
#            expr        SQL over the table's columns, as_of (a date) and lag(column), the same key's value in the drop before:
#                        computed once, when a snapshot freezes; no file holds such a column
# A view:    max_age_days  how old a live row may be when it is served; without it, any age is
#
# For you to decide:
# - Is each feature known at the date of its drop? What is learned only with the outcome must lose its view.
# - Which numbers grow from drop to drop, such as months since the start? They earn counter = true.
# - Will each column keep its type, its categories and its bounds in later drops? What breaks them is refused.
"""


def catalog_text(guess: Guess) -> str:
    """The whole file."""
    decisions = [f"# - {_one_line(d)}.\n" for d in guess.decisions]
    parts = [
        "".join([HEAD, *decisions]),
        _model(guess),
        _entity(guess),
        _label(guess),
        _views(guess),
    ]
    return "\n".join([*parts, *(_table(t) for t in guess.tables)])


def _model(guess: Guess) -> str:
    rows = [
        (
            f"model = {quoted(guess.model)}",
            "guessed: the registered model; feature services are called <model>_<digest8>",
        ),
        ("ttl_days = 62", "a feature row older than this, at the asked instant, is not used"),
    ]
    return _commented(rows)


def _entity(guess: Guess) -> str:
    entity = guess.entity
    kind = (
        "every key is a whole number"
        if entity.type == "int"
        else "not every key is a whole number, or some begin with 0"
    )
    rows = [
        (f"name = {quoted(entity.name)}", "guessed: from the key"),
        (f"key = {quoted(entity.key)}", "guessed: in every file, and different in each row"),
        (f"type = {quoted(entity.type)}", f"guessed: {kind}"),
        *([(f"max_length = {entity.max_length}", "guessed")] if entity.type == "string" else []),
        (
            f"table = {quoted(entity.table)}",
            f"guessed: it holds all {guess.population:,} keys; other files may have no others",
        ),
    ]
    return "[entity]\n" + _commented(rows)


def _label(guess: Guess) -> str:
    rows = [
        (
            f"table = {quoted(guess.label.table)}",
            "guessed: this file may come later than the rest of its drop",
        ),
        (f"column = {quoted(guess.label.column)}", "guessed: True is what is predicted"),
    ]
    return "[label]\n" + _commented(rows)


def _views(guess: Guess) -> str:
    return "".join(
        f"[views.{name}]\ntable = {quoted(view.table)}\n" for name, view in guess.views.items()
    )


def _table(table: TableGuess) -> str:
    named = (
        table.file == f"{table.table}.csv"
    )  # the file that the catalog expects without being told
    head = "" if named else f"[tables.{table.table}]\nfile = {quoted(table.file)}\n"
    width = max((len(c.name) for c in table.columns), default=0)
    rows = [
        (f"{c.name:{width}} = {declaration(c.column)}", f"guessed: {c.words}")
        for c in table.columns
    ]
    return f"{head}[tables.{table.table}.columns]\n{_commented(rows)}"


def declaration(column: Column) -> str:
    """One column as an inline table.

    >>> declaration(Column(type="float", min=0, view="plans_fv"))
    '{ type = "float", min = 0, view = "plans_fv" }'
    """
    return "{ " + ", ".join(f"{name} = {value}" for name, value in _pairs(column)) + " }"


def _pairs(column: Column) -> Iterator[tuple[str, str]]:
    yield "type", quoted(column.type)
    if column.nullable:
        yield "nullable", "true"
    if column.min is not None:
        yield "min", f"{column.min:g}"
    if column.categories is not None:
        yield "categories", f"[{', '.join(map(quoted, column.categories))}]"
    if column.max_length is not None:
        yield "max_length", str(column.max_length)
    if column.categorical:
        yield "categorical", "true"
    if column.counter:
        yield "counter", "true"
    if column.view:
        yield "view", quoted(column.view)
    if column.words:
        yield "words", quoted(column.words)


def _commented(rows: Sequence[tuple[str, str]]) -> str:
    """Lines whose comments stand below each other, where the lines are not too long."""
    width = min(max((len(line) for line, _ in rows), default=0), 76)
    return "".join(f"{line:{width}}  # {_one_line(words)}\n" for line, words in rows)


def _one_line(text: str) -> str:
    """What can stand in a comment: a file's name may hold anything."""
    return "".join(c if c.isprintable() else " " for c in text)
