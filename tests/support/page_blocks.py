"""Run the blocks of pages that need an installation with a version and live features.

The page was written with its own data, and the installation of the test has different ones. So a
line of the page is compared with what is printed by its shape: every number, date and digest counts
as the same. The words, their order and the number of lines have to be those of the page, and `…`
stands for what is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.console import (
    CUT,
    SHOWS_EXIT_CODE,
    Block,
    Command,
    Session,
    agrees,
    comparable,
    describe_difference,
    run_command,
)
from support.foreground import (
    IN_BACKGROUND,
    INTERRUPTED,
    UNTIL_CTRL_C,
    in_background,
    run_until_ctrl_c,
    without_marks,
)
from support.hidden_steps import HIDDEN_STEPS
from support.without_cluster import CLUSTER, run_without_cluster

if TYPE_CHECKING:
    from streamflow.platform import Platform

ROOT = Path(__file__).parents[2]

API = re.compile(r"\blocalhost:8000\b")
SHOWN_INSTANT = re.compile(r"(?<=(?:ed|ce) )20\d\d-[^\s;]+Z(?=$|;)")  # of who-served and --since
SHOWN_KEY = re.compile(r"\bsk_[0-9a-f]{12}_[\w-]+…?")
ANY_PORT = re.compile(r"\blocalhost:\d+\b")
PATIENCE_S = 20.0
PSQL = "streamflow exec -- psql -d streamflow"
FOREIGN = "streamflow exec -- "
# Prefect's client stays with the first server that a process starts.
IN_OWN_PROCESS = (FOREIGN, "streamflow retrain", "streamflow inbox")
LAST_LINE = " | tail -1"
COMMENT = re.compile(r"\s+# .*$")
PART = re.compile(r"\$\([^)]*\)")
FUNCTION = re.compile(r"^\w+\(\) \{")
# What the prepared installation has done already.
PREPARED = ("streamflow simulate", "streamflow run data/month_000", "streamflow train --as-of")
PREPARED_PROMOTION = "streamflow promote 1"
# An installation that is copied, and made without flows, has these notes.
OF_THE_TEST = re.compile(
    r"^ *note: (?:the state folder has no run history of Prefect|MLflow names files at file://.*)\n",
    re.MULTILINE,
)
YES_OR_NO = 1  # the largest exit code that is an answer; greater ones are errors
ANY_ORDER = "streamflow explain "  # the features of a different user stand in a different order
SHAPES = (
    (re.compile(r"\bsk_[0-9a-f]{12}_[\w-]+…?"), "<key>"),
    (re.compile(r"(?<![^\W_])(?<!\.)(?=[0-9a-f]*\d)[0-9a-f]{8,}\b…?"), "#"),
    (re.compile(r"\b\d{4}-[A-Z]{5}\b"), "<user>"),
    (re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?"), "#"),
)


@dataclass
class Reader:
    """Somebody who types the commands of the pages, one after the other."""

    session: Session
    platform: Platform  # of the same installation, for what no command can do
    serve: Callable[[], str]  # the address of an API of this installation
    make_empty: Callable[[str], dict[str, str]]  # a state folder -> the variables of a new one
    page_names: dict[str, str]  # a name or a folder of the test -> what the page calls it
    own_names: dict[str, str] = field(default_factory=dict)  # of a page -> what the test has
    is_exact: bool = False  # whether the numbers have to be those of the page
    patience_s: float = PATIENCE_S  # for an answer
    api: str = ""
    key: str = ""
    instant: str = ""  # after the last command that the page does not show
    functions: list[str] = field(default_factory=list)  # that the shell got from the page
    homes: dict[str, dict[str, str]] = field(default_factory=dict)

    def read(self, page: str, block: Block) -> list[str]:
        """Run a block, and return what differs from the page."""
        for text in block.run_before:
            self._prepare(page, block, text)
        differences = []
        for command in block.commands:
            if UNTIL_CTRL_C.match(command.text):
                differences += self._interrupt(page, command)
            elif not _is_prepared(command):
                differences += self._try(page, command)
        return differences

    def _interrupt(self, page: str, command: Command) -> list[str]:
        """Run a command that works until Ctrl-C, which comes when it has printed what is shown."""
        text = command.text
        for page_name, own_name in self.own_names.items():
            text = text.replace(page_name, own_name)
        shown = [shape(line) for line in comparable(without_marks(command.shown))]

        def has_shown(printed: str) -> bool:
            printed = self._with_page_names(printed)
            lines = map(shape, comparable(without_marks(printed.splitlines())))
            return agrees([CUT, *shown, CUT], list(lines))

        printed, code = run_until_ctrl_c(text, self.session.folder, self.environment, has_shown)
        if code == INTERRUPTED and has_shown(printed):
            return []
        return [f"{page}:{command.line_number}: $ {text}\nexit code {code}\n{printed}"]

    def _try(self, page: str, command: Command) -> list[str]:
        """Run a command. One that asks the API is repeated for a while: a change counts later."""
        is_awaited = ANY_PORT.search(command.text) or self.functions
        end = time.monotonic() + (self.patience_s if is_awaited else 0)
        while True:
            output, code = self.run(command.text)
            difference = self._compare(page, command, output, code)
            if not difference or time.monotonic() > end:
                return [difference] if difference else []

    def _prepare(self, page: str, block: Block, text: str) -> None:
        """Do what the page does not show."""
        if text in HIDDEN_STEPS:
            lines = (ROOT / page).read_text("utf-8").splitlines()
            HIDDEN_STEPS[text](self, "\n".join(lines[: block.line_number]))
            return
        output, code = self.run(text)
        assert code == 0, f"{page}: {text}\n{output}"
        self.instant = datetime.now(UTC).isoformat()

    def run(self, text: str) -> tuple[str, int]:
        """Run a command. Return what it prints, and its exit code."""
        if FUNCTION.match(text):
            self.functions.append(text)
            return "", 0
        text = SHOWN_KEY.sub(self.key, text.replace("/backups/", ""))
        text = SHOWN_INSTANT.sub(self.instant, text)
        for page_name, own_name in self.own_names.items():
            text = text.replace(page_name, own_name)
        if text.startswith("export "):
            return run_command(self.session, text)
        if CLUSTER.match(text):
            return run_without_cluster(self, text)
        if IN_BACKGROUND.match(text):
            closing = self.session.closing
            closing.enter_context(in_background(text, self.session.folder, self.environment))
            return "", 0
        if text.startswith(PSQL):
            text = text.replace(PSQL, 'psql "$STREAMFLOW_DATABASE_URL"')
        if API.search(text) or self.functions:
            self.api = self.api or self.serve()
        host = self.api.removeprefix("http://")
        if not text.startswith("streamflow ") or text.startswith(IN_OWN_PROCESS):
            lines = [*self.functions, text]
            return self.shell("\n".join(API.sub(host, line) for line in lines))
        text = COMMENT.sub("", text)
        text = PART.sub(lambda part: self.shell(f"printf %s {part[0]}")[0], text)
        output, code = self._streamflow(text.removesuffix(LAST_LINE))
        if text.endswith(LAST_LINE) and not code:
            output = output.splitlines()[-1]
        if key := re.search(r"^sk_\S+$", output, re.MULTILINE):
            self.key = self.session.variables["KEY"] = key[0]
        return output, code

    def _streamflow(self, text: str) -> tuple[str, int]:
        """Run a command of ours in this process; `--home NAME` is an installation of its own."""
        with pytest.MonkeyPatch.context() as patch:
            # Of the installation that is open in this process. A command of its own has none.
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            return self._run_in_home(text)

    def _run_in_home(self, text: str) -> tuple[str, int]:
        named = re.match(r"streamflow --home (\w+) ", text)
        if named is None:
            return run_command(self.session, text)
        if named[1] not in self.homes:
            self.homes[named[1]] = self.make_empty(named[1])
        variables = {**self.session.variables, **self.homes[named[1]]}
        session = Session(self.session.folder, variables, self.session.closing)
        return run_command(session, text.replace(f"--home {named[1]} ", "", 1))

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a program that the reader starts."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # The address of the installation that is open in this process is for this process alone.
        own = {name: text for name, text in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        return {**own, **self.session.variables, "PATH": path}

    def shell(self, text: str) -> tuple[str, int]:
        """Run a line of bash. Return what it prints, on both streams, and its exit code."""
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.session.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout, done.returncode

    def _with_page_names(self, text: str) -> str:
        for name, page_name in self.page_names.items():
            text = text.replace(name, page_name)
        return text

    def _compare(self, page: str, command: Command, output: str, code: int) -> str:
        is_ours = command.text.startswith("streamflow ") and not command.text.startswith(FOREIGN)
        # An error of a different program is right where the page shows it.
        is_right = code <= YES_OR_NO if is_ours else code == 0 or command.shown
        if not command.text.endswith(SHOWS_EXIT_CODE) and not is_right:
            return f"{page}:{command.line_number}: exit code {code}\n{output}"
        if not command.shown:
            return ""
        output = OF_THE_TEST.sub("", self._with_page_names(output))
        shown, printed = comparable(command.shown), comparable(output.splitlines())
        if printed and printed[0].startswith("{"):  # a page breaks a long answer into lines
            shown, printed = ["".join(shown)], ["".join(printed)]
        if not self.is_exact:
            shown, printed = list(map(shape, shown)), list(map(shape, printed))
        if command.text.startswith(ANY_ORDER):
            shown, printed = sorted(shown), sorted(printed)
        if agrees(shown, printed):
            return ""
        shaped = Command(command.line_number, command.text, tuple(shown))
        return describe_difference(page, shaped, printed)


def _is_prepared(command: Command) -> bool:
    is_done = command.text.startswith(PREPARED) or command.text == PREPARED_PROMOTION
    return is_done and command.shown == ("…",)


def shape(line: str) -> str:
    for pattern, replacement in SHAPES:
        line = pattern.sub(replacement, line)
    return line
