"""The groups of `streamflow --help`: which commands are listed together, and in which order."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

GROUPS: dict[str, tuple[str, ...]] = {
    "Start here": ("demo", "init", "run", "train", "predict"),
    "Data": (
        "simulate",
        "ingest",
        "drops",
        "rejects",
        "snapshot",
        "snapshots",
        "materialize",
        "inbox",
        "forget",
        "catalog",
        "contract",
    ),
    "Training": ("training-set", "honesty", "retrain"),
    "Versions and stages": (
        "models",
        "promote",
        "rollback",
        "ledger",
        "who-served",
        "reconcile",
        "webhooks",
    ),
    "Customers": ("console", "at-risk", "user", "portfolio"),
    "Serving": ("serve", "score", "explain", "keys"),
    "Monitoring": ("monitor", "skew", "reports"),
    "Reproducibility": ("reproduce", "verify", "compare", "export", "import"),
    "Services": ("up", "down", "status", "logs", "worker"),
    "Installation": (
        "migrate",
        "doctor",
        "settings",
        "env",
        "exec",
        "backup",
        "restore",
        "prune",
        "uninstall",
    ),
}

# No first sentence is longer. A narrow terminal wraps the sentence, and does not cut it.
MAX_SENTENCE = 200

# The title of the commands that are in no group, so that the help never hides one.
UNGROUPED = "More"


class GroupedCommands(TyperGroup):
    """A group of commands whose help lists them under the titles of GROUPS."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write one section for each group, each command with the first sentence of its help."""
        grouped_names = {name for names in GROUPS.values() for name in names}
        ungrouped = tuple(name for name in self.commands if name not in grouped_names)
        width = max(len(name) for name in self.commands)
        for title, names in {**GROUPS, UNGROUPED: ungrouped}.items():
            rows = self._list_commands(names, width)
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _list_commands(self, names: tuple[str, ...], width: int) -> list[tuple[str, str]]:
        """Return a row for each command. The names have one width, so that all columns align."""
        return [
            (name.ljust(width), self.commands[name].get_short_help_str(MAX_SENTENCE))
            for name in names
            if name in self.commands and not self.commands[name].hidden
        ]
