"""A guessed catalog as TOML: every guess is marked on its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamflow.catalog import Aggregate, Column
from streamflow.catalog.file_kinds import default_file
from streamflow.core.data.catalog_definitions import format_toml, quote_toml
from streamflow.core.data.counts import count_of
from streamflow.core.onboarding.catalog_guess import CatalogGuess
from streamflow.core.onboarding.event_guess import EventsGuess
from streamflow.core.onboarding.table_guess import TableGuess

HEAD = """\
# What the data mean: declared once, here. 'streamflow init' guessed it from one drop:
# read it before the first drop is frozen, because a column's type cannot change after that.
#
# A column:  type        int | float | bool | string | date | timestamp   (64 bit numbers)
#            nullable    a null is a value: it is accepted, trained on and served.
#                        Default false: a null is refused.
#            min, max    the smallest and the largest allowed value
#            categories  the only values allowed
#            max_length  the most characters
#            view        the feature view that serves this column as a feature;
#                        without a view, the column is frozen but not served
#            categorical the model treats the feature as categories, not as a number
#            default     of a feature: the value that is served, and named in the answer, where
#                        there is no value or a value that is too old; without it, the request
#                        is refused
#            counter     a number that grows from drop to drop: `honesty` warns where it does not
#            tenure      for how long somebody has been a user: "since" (a date), or "days",
#                        "months" or "years" (a number). The console divides users by it. At most
#                        one column of the catalog says it
#            words       the name that people use for the column, in reasons;
#                        without it, the column's name with spaces
#            header      the column's name in its file; without it, its name in the catalog
#            expr        SQL over the table's columns, as_of (a date) and lag(column), the value of
#                        the same key in the drop before. It is computed once, when a snapshot
#                        freezes; no file holds such a column.
# A file:    [files.<table>] says how the file of a table is written, where it is not CSV in UTF-8
#            with commas. Every later month is read by it.
# A view:    max_age_days  how old a live row may be when it is served; without it, any age
#
# For you to decide:
# - Is each feature known at the date of its drop? A column that becomes known only with the
#   outcome must lose its view.
# - Which numbers grow from drop to drop, such as months since the start? Give them counter = true.
# - Which column says for how long somebody has been a user? Give it a tenure.
# - Will each column keep its type, its categories and its bounds in later drops? Values that break
#   them are refused.
"""
TTL_DAYS = 62
COMMENT_COLUMN = 76  # comments of longer lines are not aligned

CommentedLine = tuple[str, str]  # a line, and its comment


def catalog_text(guess: CatalogGuess) -> str:
    """Write the whole catalog file."""
    decisions = [f"# - {_make_printable(decision)}.\n" for decision in guess.decisions]
    if guess.left_out:
        decisions.append("#\n# Left out as features:\n")
        decisions += [f"# - {_make_printable(column)}\n" for column in guess.left_out]
    sections = [
        "".join([HEAD, *decisions]),
        _write_model(guess),
        _write_entity(guess),
        _write_label(guess),
        _write_views(guess),
    ]
    sections += [_write_table(table) for table in guess.tables]
    sections += [_write_events(events) for events in guess.events]
    return "\n".join(sections)


def _write_model(guess: CatalogGuess) -> str:
    return _write_lines(
        [
            (
                f"model = {quote_toml(guess.model)}",
                "guessed: the registered model; feature services are called <model>_<digest8>",
            ),
            (f"ttl_days = {TTL_DAYS}", "a feature row older than this, at the as_of, is not used"),
        ]
    )


def _write_entity(guess: CatalogGuess) -> str:
    entity = guess.entity
    key_type = (
        "every key is a whole number"
        if entity.type == "int"
        else "not every key is a whole number, or some begin with 0"
    )
    key_text = "in every file, and different in each row"
    if guess.key_is_made:
        key_text = "no column is the key: the rows of the file are numbered 1, 2, 3 …"
    lines = [
        (f"name = {quote_toml(entity.name)}", "guessed: from the key"),
        (f"key = {quote_toml(entity.key)}", f"guessed: {key_text}"),
        (f"type = {quote_toml(entity.type)}", f"guessed: {key_type}"),
    ]
    if entity.type == "string":
        lines.append((f"max_length = {entity.max_length}", "guessed"))
    lines.append(
        (
            f"table = {quote_toml(entity.table)}",
            f"guessed: it holds all {count_of(guess.population, 'key')}; "
            "a key that is not in it is refused in every file",
        )
    )
    return "[entity]\n" + _write_lines(lines)


def _write_label(guess: CatalogGuess) -> str:
    files = [table.file for table in guess.tables]
    label_file = next(table.file for table in guess.tables if table.table == guess.label.table)
    table_text = "this file may come later than the rest of its drop"
    if files.count(label_file) > 1:
        table_text = "a table of its own, so that no model reads the label as a feature"
    column_text = "the model predicts True"
    if guess.label_is_made:
        column_text = "made of a different column; the model predicts True"
    lines = [
        (f"table = {quote_toml(guess.label.table)}", f"guessed: {table_text}"),
        (f"column = {quote_toml(guess.label.column)}", f"guessed: {column_text}"),
    ]
    return "[label]\n" + _write_lines(lines)


def _write_views(guess: CatalogGuess) -> str:
    return "".join(
        f"[views.{name}]\ntable = {quote_toml(view.table)}\n" for name, view in guess.views.items()
    )


def _write_table(table: TableGuess) -> str:
    text = ""
    if table.file != default_file(table.table):
        text = f"[tables.{table.table}]\nfile = {quote_toml(table.file)}\n"
    width = max((len(column.name) for column in table.columns), default=0)
    lines = [
        (f"{column.name:{width}} = {declaration(column.column)}", f"guessed: {column.description}")
        for column in table.columns
    ]
    columns = f"[tables.{table.table}.columns]\n{_write_lines(lines)}"
    written = _write_format(table)
    return f"{text}{columns}\n{written}" if written else f"{text}{columns}"


def _write_events(events: EventsGuess) -> str:
    """Write a file of events: its columns, the proposed aggregates, and how it is written."""
    lines = [(f"time = {quote_toml(events.time)}", "guessed: when a row happened")]
    if events.file != default_file(events.table):
        lines.insert(0, (f"file = {quote_toml(events.file)}", ""))
    columns = []
    for column in events.columns:
        value = declaration(column.column)
        columns.append((column.name, value, f"guessed: {column.description}"))
    aggregates = []
    for guess in events.aggregates:
        value = _declare_aggregate(guess.aggregate)
        aggregates.append((guess.name, value, f"proposed: {guess.description}"))
    title = f"events.{events.table}"
    sections = [
        f"[{title}]\n{_write_lines(lines)}",
        f"[{title}.columns]\n{_write_lines(_align(columns))}",
        f"[{title}.aggregates]\n{_write_lines(_align(aggregates))}",
    ]
    written = _write_format(events)
    return "\n".join([*sections, written] if written else sections)


def _align(lines: Sequence[tuple[str, str, str]]) -> list[CommentedLine]:
    """Write `name = value` with the values below each other; each line keeps its comment."""
    width = max(len(name) for name, _, _ in lines)
    return [(f"{name:{width}} = {value}", comment) for name, value, comment in lines]


def _declare_aggregate(aggregate: Aggregate) -> str:
    """Write one aggregate as an inline table."""
    options = [f"{aggregate.function} = {quote_toml(aggregate.expression)}"]
    if aggregate.days is not None:
        options.append(f"days = {aggregate.days}")
    if aggregate.function == "last":
        options.insert(0, f"type = {quote_toml(aggregate.type)}")
    if aggregate.nullable:
        options.append("nullable = true")
    if aggregate.categorical:
        options.append("categorical = true")
    options.append(f"view = {quote_toml(aggregate.view or '')}")
    return f"{{ {', '.join(options)} }}"


def _write_format(table: TableGuess | EventsGuess) -> str:
    """Write how the file of a table is written; empty for a strict CSV file."""
    lines = []
    for name, value in table.written.options.items():
        reason = table.written.reasons.get(name)
        lines.append((f"{name} = {format_toml(value)}", f"guessed: {reason}" if reason else ""))
    return f"[files.{table.table}]\n{_write_lines(lines)}" if lines else ""


def declaration(column: Column) -> str:
    """Write one column as an inline table.

    >>> declaration(Column(type="float", min=0, view="plans_fv"))
    '{ type = "float", min = 0, view = "plans_fv" }'
    """
    return "{ " + ", ".join(f"{name} = {value}" for name, value in _list_options(column)) + " }"


def _list_options(column: Column) -> Iterator[tuple[str, str]]:
    """Give the name and the TOML value of each option that is not its default."""
    yield "type", quote_toml(column.type)
    if column.nullable:
        yield "nullable", "true"
    if column.min is not None:
        yield "min", f"{column.min:g}"
    if column.categories is not None:
        yield "categories", f"[{', '.join(map(quote_toml, column.categories))}]"
    if column.max_length is not None:
        yield "max_length", str(column.max_length)
    if column.categorical:
        yield "categorical", "true"
    if column.counter:
        yield "counter", "true"
    if column.view:
        yield "view", quote_toml(column.view)
    if column.words:
        yield "words", quote_toml(column.words)
    if column.header:
        yield "header", quote_toml(column.header)
    if column.expr:
        yield "expr", quote_toml(column.expr)


def _write_lines(lines: Sequence[CommentedLine]) -> str:
    """Write lines whose comments are aligned, as far as the lines are not too long."""
    longest = max((len(line) for line, _ in lines), default=0)
    width = min(longest, COMMENT_COLUMN)
    return "".join(
        f"{line:{width}}  # {_make_printable(comment)}\n" if comment else f"{line}\n"
        for line, comment in lines
    )


def _make_printable(text: str) -> str:
    """Replace what cannot be in a comment: the name of a file may hold any character."""
    return "".join(character if character.isprintable() else " " for character in text)
