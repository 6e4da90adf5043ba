"""Run the commands that a page of the documentation shows, and compare what they print with it.

The rules for a page stand in `tests/test_documentation.py`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

from streamflow.cli.app import main
from streamflow.services.processes import free_port, running, wait_until_ready

FENCE = re.compile(r"^( *)```(\w*)$")
COMMENT = re.compile(r"^ *<!-- *(.*?) *-->$")
RUN_BEFORE = "run before: "
NOT_RUN = "not run: "
RUN_IN = "run in: "
RUN_BY = "run by: "
REAL_MONTHS = "data: real months"

CUT = "…"
SHOWS_EXIT_CODE = '; echo "exit code $?"'
API_ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):8000")
SHELL_SYNTAX = re.compile(r"[|<>;&$`]")
TABLE_FRAME = re.compile(r"^[\s┏━┳┓┡╇┩└─┴┘├┼┤╭╮╰╯]+$")
PROGRESS = re.compile(r"^… \S")
API_WAIT_SECONDS = 120
IS_LOOKING = "is being looked up"

# What differs from one run to the next. Both the page and the output are masked.
MASKS = (
    (re.compile(r"\b[0-9a-f]{32}\b"), "<run id>"),
    (
        re.compile(r"\b20(?:2[5-9]|[3-9]\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?"),
        "<instant>",
    ),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "<port>"),
    (re.compile(r"\bin \d+\.\d+ s\b"), "in <seconds> s"),
    (re.compile(r"\b\d+\.\d+ MB\b"), "<size> MB"),
    (re.compile(r"(age_days\"?[=:] ?)\d+\.\d+"), r"\1<days>"),
)


@dataclass(frozen=True)
class Command:
    """One `$` line of a page, with the output that the page shows."""

    line_number: int
    text: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """One console block of a page, and the comments directly above it."""

    line_number: int
    commands: tuple[Command, ...]
    run_before: tuple[str, ...] = ()
    is_real: bool = False
    why_not_run: str = ""
    state: str = ""  # in which tests/integration/test_page_blocks.py runs it
    run_by: str = ""  # the test that reads it from the page and runs it


@dataclass
class Session:
    """One reader's terminal: a folder, variables, and the API while it is up."""

    folder: Path
    variables: dict[str, str]
    closing: ExitStack
    api: str = ""
    is_empty: bool = False  # whether the database is not migrated: the first `run` does it
    serving: ExitStack = field(default_factory=ExitStack)  # the API

    def stop_api(self) -> None:
        """Stop the API, as the reader does before the installation is removed."""
        self.serving.close()
        self.api = ""


def read_blocks(text: str) -> list[Block]:
    """Return the console blocks of a page: fenced blocks that hold a line that begins with `$ `."""
    blocks: list[Block] = []
    comments: list[str] = []
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if comment := COMMENT.match(line):
            comments.append(comment[1])
        elif fence := FENCE.match(line):
            body = _read_until_fence(lines, indentation=fence[1])
            is_console = fence[2] == "console" or any(text.startswith("$ ") for _, text in body)
            if is_console:
                blocks.append(_block(number, body, comments))
            comments = []
        elif line.strip():
            # A hidden step may stand anywhere above its block, the marks directly above it.
            comments = [comment for comment in comments if comment.startswith(RUN_BEFORE)]
    return blocks


def _read_until_fence(lines: Iterator[tuple[int, str]], indentation: str) -> list[tuple[int, str]]:
    body = []
    for number, line in lines:
        if FENCE.match(line):
            break
        body.append((number, line.removeprefix(indentation)))
    return body


def _block(number: int, body: list[tuple[int, str]], comments: list[str]) -> Block:
    states = [comment.removeprefix(RUN_IN) for comment in comments if comment.startswith(RUN_IN)]
    reasons = [comment.partition(NOT_RUN)[2] for comment in comments if NOT_RUN in comment]
    return Block(
        line_number=number,
        commands=tuple(_commands(body)),
        run_before=tuple(
            comment.removeprefix(RUN_BEFORE)
            for comment in comments
            if comment.startswith(RUN_BEFORE)
        ),
        is_real=any(comment.startswith(REAL_MONTHS) for comment in comments),
        why_not_run=" ".join(reasons),
        state=" ".join(states),
        run_by=" ".join(
            comment.removeprefix(RUN_BY) for comment in comments if comment.startswith(RUN_BY)
        ),
    )


def _commands(body: list[tuple[int, str]]) -> Iterator[Command]:
    command: Command | None = None
    for number, line in body:
        if line.startswith("$ "):
            if command:
                yield command
            command = Command(number, line[2:])
        elif command is None:
            raise AssertionError(f"line {number}: output without a command: {line}")
        elif command.text.endswith("\\") and not command.shown:
            command = Command(command.line_number, f"{command.text[:-1].rstrip()} {line.strip()}")
        else:
            command = Command(command.line_number, command.text, (*command.shown, line))
    if command:
        yield command


@contextmanager
def open_session(
    folder: Path, variables: dict[str, str], *, is_empty: bool = False
) -> Iterator[Session]:
    """Open a terminal in this folder. Stop the API at the end."""
    with ExitStack() as closing:
        session = Session(folder, dict(variables), closing, is_empty=is_empty)
        closing.callback(session.stop_api)
        yield session


def run_command(session: Session, text: str) -> tuple[str, int]:
    """Run one command of a page. Return what it prints, on both streams, and its exit code."""
    if text.startswith("export "):
        name, _, value = text.removeprefix("export ").partition("=")
        session.variables[name] = value.strip("\"'")
        return "", 0
    if text.startswith("curl ") and API_ADDRESS.search(text):
        return _ask_api(session, text), 0
    if text == "streamflow serve":
        _start_api(session)
        return "", 0
    if text == "streamflow uninstall":
        session.stop_api()
    shows_exit_code = text.endswith(SHOWS_EXIT_CODE)
    command = text.removesuffix(SHOWS_EXIT_CODE)
    if not command.startswith("streamflow ") or SHELL_SYNTAX.search(command):
        return _run_in_shell(session, text)
    output, code = _run_streamflow(session, shlex.split(command)[1:])
    if shows_exit_code:
        output += f"exit code {code}\n"
    return output, code


def _run_streamflow(session: Session, arguments: list[str]) -> tuple[str, int]:
    position = 2 if arguments[0] == "--catalog" else 0
    flags, name, options = arguments[:position], arguments[position], arguments[position + 1 :]
    if name != "run":
        return _call_main(session, arguments)
    # The flow `monthly` without its server, which takes most of the time: the same three steps.
    steps = [["ingest", *options], ["snapshot", *options[1:]], ["materialize"]]
    if session.is_empty:
        _call_main(session, [*flags, "migrate"])
        session.is_empty = False
    printed = ""
    for step in steps:
        output, code = _call_main(session, step)
        printed += output
        if code:
            return printed, code
    return printed, 0


def _call_main(session: Session, arguments: list[str]) -> tuple[str, int]:
    stream = StringIO()
    code = 0
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        redirect_stdout(stream),
        redirect_stderr(stream),
    ):
        for name, value in session.variables.items():
            patch.setenv(name, value)
        patch.chdir(session.folder)
        patch.setattr(sys, "argv", ["streamflow", *arguments])
        patch.setattr(sys, "stdin", StringIO("y\n"))  # a reader agrees to what is asked
        try:
            main()
        except SystemExit as done:
            code = int(done.code or 0)
    return stream.getvalue(), code


def _run_in_shell(session: Session, text: str) -> tuple[str, int]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=session.folder,
        env={**os.environ, **session.variables, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout, done.returncode


def _start_api(session: Session) -> None:
    if session.api:
        return
    port = free_port()
    log = session.folder / "api.log"
    command = [sys.executable, "-m", "streamflow", "serve", "--port", str(port)]
    environment = {**os.environ, **session.variables}
    child = session.serving.enter_context(running(command, environment=environment, log=log))
    session.api = f"http://127.0.0.1:{port}"
    wait_until_ready(f"{session.api}/health", child, name="the API", log=log)
    until = time.monotonic() + API_WAIT_SECONDS
    while IS_LOOKING in _send(urllib.request.Request(f"{session.api}/ready"))[1]:  # noqa: S310
        assert time.monotonic() < until, "the API still looks for its version"
        time.sleep(0.2)


def _ask_api(session: Session, text: str) -> str:
    """Do what curl does, with the options -s, -X, -H and -d."""
    _start_api(session)
    words = shlex.split(text)
    address = next(word for word in words if API_ADDRESS.match(word))
    body = words[words.index("-d") + 1].encode() if "-d" in words else None
    headers = [words[place + 1] for place, word in enumerate(words) if word == "-H"]
    url = API_ADDRESS.sub(session.api, address)
    request = urllib.request.Request(url, data=body)  # noqa: S310 - our own address
    for header in headers:
        name, _, value = header.partition(": ")
        request.add_header(name, value)
    until = time.monotonic() + API_WAIT_SECONDS
    while True:
        status, answer = _send(request)
        # The API takes up a promoted version within seconds: a prediction may have to wait.
        if body is None or status != 503 or time.monotonic() > until:
            return answer
        time.sleep(0.5)


def _send(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def comparable(lines: list[str] | tuple[str, ...]) -> list[str]:
    """Return the lines that are compared, masked, without progress, frames and blank lines."""
    kept = []
    for line in lines:
        is_noise = not line.strip() or TABLE_FRAME.match(line) or PROGRESS.match(line)
        if not is_noise:
            kept.append(_masked(line))
    return kept


def _masked(line: str) -> str:
    for pattern, replacement in MASKS:
        line = pattern.sub(replacement, line)
    return " ".join(line.replace("┃", "│").split())


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Whether the output is what the page shows; a line `…` stands for any number of lines."""

    @cache
    def agrees_from(page_row: int, row: int) -> bool:
        if page_row == len(shown):
            return row == len(printed)
        if shown[page_row] == CUT:
            return agrees_from(page_row + 1, row) or (
                row < len(printed) and agrees_from(page_row, row + 1)
            )
        if row == len(printed):
            return False
        return line_agrees(shown[page_row], printed[row]) and agrees_from(page_row + 1, row + 1)

    return agrees_from(0, 0)


def line_agrees(shown: str, printed: str) -> bool:
    """Whether a printed line is what the page shows; `…` in a line stands for any text."""
    pattern = ".*".join(re.escape(part) for part in shown.split(CUT))
    return re.fullmatch(pattern, printed) is not None


def describe_difference(page: str, command: Command, printed: list[str]) -> str:
    """Say which lines of a page are not what its command printed."""
    shown = comparable(command.shown)
    lines = [f"{page}:{command.line_number}: $ {command.text}", "the page shows:"]
    for line in shown:
        matches = line == CUT or any(line_agrees(line, other) for other in printed)
        lines.append(f"  {'  ' if matches else '! '}{line}")
    lines.append("the command printed:")
    for line in printed:
        matches = any(line_agrees(other, line) for other in shown if other != CUT)
        lines.append(f"  {'  ' if matches else '! '}{line}")
    return "\n".join(lines)
