"""The groups of `streamflow --help`: which commands are listed together, and in which order."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from streamflow.packages import explain_missing_package

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
    "Users": ("console", "at-risk", "user", "portfolio"),
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
        "to-lake",
        "uninstall",
    ),
}

# The extra of pyproject.toml that a command needs; of a command that is not here it is `train`.
EXTRA_OF_COMMAND = {
    "console": "console",
    "explain": "serve",
    "models": "serve",
    "predict": "serve",
    "rejects": "console",
    "reports": "console",
    "serve": "serve",
    "snapshots": "console",
    "to-lake": "lake",
}

# No first sentence is longer. A narrow terminal wraps the sentence, and does not cut it.
MAX_SENTENCE = 200

# The title of the commands that are in no group, so that the help never hides one.
UNGROUPED = "More"


class GroupedCommands(TyperGroup):
    """A group of commands: their help has the titles of GROUPS, and they say what is missing."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Raises PackagesMissing if the extra is not installed that it needs."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = EXTRA_OF_COMMAND.get(ctx.invoked_subcommand, "train")
            explained = explain_missing_package(error, at_least=extra)
            if explained is None:
                raise
            raise explained from error

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
