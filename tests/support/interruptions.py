"""Interrupt random commands at random moments, and see what an installation is afterwards.

One installation goes through several commands. Each of them is interrupted. Then `doctor` must find
nothing, or name commands after which it finds nothing, and the same command again must end well.
The commands are forks: see `support.fork_server`.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

import polars as pl
from conftest import Cluster

from streamflow.__main__ import INTERRUPTED, INTERRUPTED_EXIT_CODE
from streamflow.catalog import DEFAULT_PATH
from streamflow.database import connect, ensure_database
from streamflow.settings import Settings
from streamflow.steps.upkeep.doctor import doctor
from streamflow.steps.upkeep.doctor.finding import Finding
from support.chain import copy_drop
from support.fork_server import ForkedCommand
from support.states import THREE_VERSIONS, copy_state

SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL", "backend")
JANUARY, FEBRUARY = ("--as-of", "2024-01-31"), ("--as-of", "2024-02-29")
BECAUSE = ("--force", "--why", "at random")
PATIENCE_S = 300.0  # in which every command ends, on a busy machine too
USUAL_S = 1.5  # how long a command takes until it was measured
COMMANDS_OF_ONE_LIFE = 8
MOST_INTERRUPTIONS = 3  # of a command in a row
ROUNDS_OF_DOCTOR = 4  # one remedy can make the next finding visible
DOCTORS_COMMAND = re.compile(r"'streamflow ([^']+)'")
PLACEHOLDER = re.compile(r"\b(DIR|D|KEY|W|VERSION)\b")  # what a person has to choose
FRAME = 'File "'  # of a traceback
OLD_LINE = (
    'contract_type       = { type = "string",'
    ' categories = ["Month-to-month", "One year", "Two year"] }'
)
NEW_LINE = OLD_LINE.replace(" }", ', categorical = true, view = "subs_profile_fv" }')


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the commands need, made once: drops, catalogs, an exported version and a backup."""

    cluster: Cluster
    drops: Path
    folder: Path
    corrected: Path
    bad: Path
    wider: Path
    keys: tuple[str, ...]
    version_file: Path
    backup_file: Path


@dataclass(kw_only=True)
class Installation:
    """One installation that random commands work on."""

    material: Material
    name: str
    home: Path
    variables: dict[str, str]
    draw: random.Random
    catalog: Path = DEFAULT_PATH
    forgotten: set[str] = field(default_factory=set)

    def settings(self) -> Settings:
        flags = {"trees": 10, "calibration": "none", "api_port": 0, "catalog": self.catalog}
        return self.material.cluster.settings(self.name, self.home, **flags)

    def path(self, name: str) -> str:
        return str(self.home.parent / name)

    def version(self) -> str:
        return str(self.draw.randint(1, 3))

    def key(self) -> str:
        """A key that was not forgotten here."""
        return self.draw.choice(sorted(set(self.material.keys) - self.forgotten))

    def run(self, *arguments: str) -> Ended:
        """A command that nobody interrupts."""
        return run_command(self, arguments)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended, what it said, how long it took, and whether it was interrupted."""

    code: int
    text: str
    seconds: float
    interrupted: bool = False


def run_command(
    installation: Installation,
    arguments: tuple[str, ...],
    interrupt: Callable[[ForkedCommand], bool] = lambda _: False,
) -> Ended:
    """Run a command as a fork to its end, and call `interrupt` once it was started."""
    words = ("--catalog", str(installation.catalog), *arguments)
    environment = {**os.environ, **installation.variables}
    with TemporaryFile() as log, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), log.fileno(), log.fileno())
        began = time.monotonic()
        command = ForkedCommand(words, environment, streams)
        interrupted = interrupt(command)
        while command.poll() is None and time.monotonic() - began < PATIENCE_S:
            time.sleep(0.002)
        seconds = time.monotonic() - began
        has_ended = command.poll() is not None
        command.stop()
        log.seek(0)
        text = log.read().decode()
        assert has_ended, f"{arguments} did not end within {PATIENCE_S} s: {text}"
        assert command.returncode is not None
        return Ended(code=command.returncode, text=text, seconds=seconds, interrupted=interrupted)


def _ingest(installation: Installation) -> tuple[str, ...]:
    material = installation.material
    drop, day, *more = installation.draw.choice(
        [
            (material.corrected, JANUARY),
            (material.drops / "month_000", JANUARY),
            (material.drops / "month_001", FEBRUARY),
            (material.bad, JANUARY, "--reject-rows"),
        ]
    )
    return ("ingest", str(drop), *day, *more)


def _snapshot(installation: Installation) -> tuple[str, ...]:
    """A snapshot that has something to freeze."""
    arguments = _ingest(installation)
    done = installation.run(*arguments)
    assert done.code == 0, done.text
    return ("snapshot", *arguments[2:4])


def _forget(installation: Installation) -> tuple[str, ...]:
    key = installation.key()
    installation.forgotten.add(key)
    return ("forget", key, "--why", "at random")


def _migrate(installation: Installation) -> tuple[str, ...]:
    """The catalog has changed since the last migration."""
    wider = installation.material.wider
    installation.catalog = DEFAULT_PATH if installation.catalog == wider else wider
    return ("migrate", "--change-catalog")


def _keys(installation: Installation) -> tuple[str, ...]:
    return ("keys", "create", uuid4().hex[:8], "--scope", "predict")


Arguments = Callable[[Installation], tuple[str, ...]]

# Commands on an installation that serves January, with three versions.
COMMANDS: Mapping[str, Arguments] = {
    "ingest": _ingest,
    "snapshot": _snapshot,
    "materialize": lambda _: ("materialize",),
    "train": lambda _: ("train", *JANUARY),
    "promote": lambda i: ("promote", i.version(), *BECAUSE),
    "rollback": lambda _: ("rollback", "--why", "at random"),
    "reconcile": lambda _: ("reconcile",),
    "score": lambda i: ("score", *JANUARY, "--version", i.version(), "--out", i.path("a.csv")),
    "predict": lambda i: ("predict", i.key()),
    "explain": lambda i: ("explain", i.key()),
    "forget": _forget,
    "prune": lambda _: ("prune",),
    "backup": lambda i: ("backup", i.path("a.backup"), "--force"),
    "export": lambda i: ("export", i.version(), i.path("a.version"), "--force"),
    "monitor": lambda i: ("monitor", *JANUARY, "--out", i.path("a.html")),
    "skew": lambda _: ("skew",),
    "reproduce": lambda i: ("reproduce", i.version()),
    "verify": lambda i: ("verify", i.version()),
    "compare": lambda i: ("compare", i.version(), i.version()),
    "honesty": lambda _: ("honesty", *JANUARY),
    "training-set": lambda i: ("training-set", *JANUARY, "--out", i.path("a.parquet")),
    "keys": _keys,
    "migrate": _migrate,
    "doctor --fix": lambda _: ("doctor", "--fix"),
}
# Commands on an installation of their own, which is empty.
FIRST_COMMANDS: Mapping[str, Arguments] = {
    "import": lambda i: ("import", str(i.material.version_file)),
    "restore": lambda i: ("restore", str(i.material.backup_file)),
    "migrate, first": lambda _: ("migrate",),
}
SHARE_OF_FIRST_COMMANDS = 0.4  # of all installations
READERS = {"compare", "honesty", "monitor", "reproduce", "skew", "training-set", "verify"}
# Commands that write are drawn more often.
DRAWN_COMMANDS = tuple(
    command for command in COMMANDS for _ in range(1 if command in READERS else 4)
)
# With what a command is refused after it was done: only an empty installation can be restored.
ONCE_ONLY: Mapping[str, tuple[int, ...]] = {"restore": (23,)}
# Verdicts and refusals with which a command ends well, beside 0. The state of an installation is
# drawn: a version cannot be rebuilt after `forget`, and there may be no earlier version.
GOOD_CODES: Mapping[str, tuple[int, ...]] = {
    "rollback": (14,),
    "monitor": (1, 4),
    "skew": (1,),
    "reproduce": (1, 4),
    "verify": (1, 4),
    "compare": (1, 4),
    "honesty": (1,),
    "export": (4,),
    "predict": (16, 17),
    "explain": (16, 17),
}

# How a command may end besides when PostgreSQL ends its session: `doctor` reports it as a finding.
CODES_OF_A_LOST_SESSION: Mapping[str, tuple[int, ...]] = {"doctor --fix": (1,)}


def make_material(
    cluster: Cluster, drops: Path, folder: Path, *, with_files: bool = True
) -> Material:
    """Make what the commands need; the files of a version and of a backup only if asked for."""
    january = drops / "month_000"
    fees = {"monthly_fee": pl.lit("31.5")}
    last = pl.col("user_id") == pl.col("user_id").last()
    bad = {"monthly_fee": pl.when(last).then(pl.lit("-1")).otherwise(pl.lit("32.5"))}
    wider = folder / "wider.toml"
    wider.write_text(DEFAULT_PATH.read_text(encoding="utf-8").replace(OLD_LINE, NEW_LINE))
    material = Material(
        cluster=cluster,
        drops=drops,
        folder=folder,
        corrected=copy_drop(january, folder / "corrected", subscriptions=fees),
        bad=copy_drop(january, folder / "bad", subscriptions=bad),
        wider=wider,
        keys=tuple(pl.read_csv(january / "users.csv")["user_id"][:100]),
        version_file=folder / "one.version",
        backup_file=folder / "all.backup",
    )
    if with_files:
        _make_files(material)
    return material


def _make_files(material: Material) -> None:
    installation = make_installation(material, random.Random(0))
    for arguments in (
        ("export", "1", str(material.version_file)),
        ("backup", str(material.backup_file)),
    ):
        done = installation.run(*arguments)
        assert done.code == 0, done.text
    remove(installation)


def make_installation(material: Material, draw: random.Random, command: str = "") -> Installation:
    """An installation that serves January, or what a first command begins with."""
    cluster = material.cluster
    name = f"sf_interrupt_{uuid4().hex[:12]}"
    home = material.folder / name / "home"
    home.parent.mkdir()
    if command == "import":
        cluster.clone(name)
    elif command:
        for database in (name, f"{name}_mlflow"):
            ensure_database(cluster.address, database)
    else:
        copy_state(cluster, THREE_VERSIONS, material.drops, name, home)
    variables = {
        **cluster.variables(name, home),
        "STREAMFLOW_TREES": "10",
        "STREAMFLOW_CALIBRATION": "none",
        "STREAMFLOW_API_PORT": "0",
    }
    return Installation(material=material, name=name, home=home, variables=variables, draw=draw)


def remove(installation: Installation) -> None:
    """Drop its databases and its files."""
    installation.material.cluster.drop(installation.name)
    shutil.rmtree(installation.home.parent)


@dataclass
class Bench:
    """Interrupts commands, and counts what came of it."""

    material: Material
    draw: random.Random
    seconds: dict[str, float] = field(default_factory=dict)  # of each command, as measured last
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    named: Counter[tuple[str, str]] = field(default_factory=Counter)
    early: int = 0  # commands that ended before they were interrupted
    faults: list[str] = field(default_factory=list)

    @property
    def interruptions(self) -> int:
        return sum(self.counts.values())

    def live(self, wanted: int, commands: tuple[str, ...] = ()) -> None:
        """Interrupt so many commands: random ones, or these, on as many installations as needed."""
        end = self.interruptions + wanted
        while self.interruptions < end:
            first = ""
            if not commands and self.draw.random() < SHARE_OF_FIRST_COMMANDS:
                first = self.draw.choice(sorted(FIRST_COMMANDS))
            installation = make_installation(self.material, self.draw, first)
            if first:
                self.interrupt(installation, first)
            else:
                self._live_once(installation, commands or DRAWN_COMMANDS, end)
            remove(installation)

    def _live_once(self, installation: Installation, commands: tuple[str, ...], end: int) -> None:
        for _ in range(COMMANDS_OF_ONE_LIFE):
            is_sound = self.interrupt(installation, self.draw.choice(commands))
            if not is_sound or self.interruptions >= end:
                return

    def interrupt(self, installation: Installation, command: str) -> bool:
        """Interrupt a command, up to three times, and repeat it; return whether all is well."""
        arguments = {**COMMANDS, **FIRST_COMMANDS}[command](installation)
        good_codes = (0, *GOOD_CODES.get(command, ()))
        history = [" ".join(arguments)]
        faults = []
        for _ in range(self.draw.randint(1, MOST_INTERRUPTIONS)):
            how = self.draw.choice(SIGNALS)
            delay_s = self.draw.random() * self.seconds.get(command, USUAL_S)
            ended = run_command(
                installation, arguments, partial(interrupt_fork, installation, how, delay_s)
            )
            history.append(f"{how} after {delay_s:.3f} s: {ended.code}")
            lost_codes = CODES_OF_A_LOST_SESSION.get(command, ()) if how == "backend" else ()
            faults += judge_end(ended, how, (*good_codes, *lost_codes))
            if ended.interrupted:
                self.counts[command, how] += 1
            else:
                self.early += 1
            # It may have been done when it was interrupted; `doctor` says whether it was.
            good_codes = (*good_codes, *ONCE_ONLY.get(command, ()))
        mends_first = self.draw.random() < 0.5
        if mends_first:
            faults += self._mend(installation, command)
        again = installation.run(*arguments)
        self.seconds[command] = again.seconds
        if again.code not in good_codes or FRAME in again.text:
            faults.append(f"again: {again.code}: {again.text}")
        if not mends_first:
            faults += self._mend(installation, command)
        self.faults += [f"{'; '.join(history)}: {fault}" for fault in faults]
        print("FAULT" if faults else "well", "; ".join(history), *faults, flush=True)
        return not faults

    def _mend(self, installation: Installation, command: str) -> list[str]:
        """Do what `doctor` says until it finds nothing; return what is wrong with that."""
        for _ in range(ROUNDS_OF_DOCTOR):
            findings = wrong_findings(installation)
            for finding in findings:
                self.named[command, finding.subject] += 1
            for advised in advised_commands(findings, self.material.backup_file):
                done = installation.run(*advised.split())
                if done.code != 0 or FRAME in done.text:
                    return [f"doctor's '{advised}': {done.code}: {done.text} {findings}"]
            if not findings:
                return []
        return [f"doctor still finds {findings}"]

    def table(self) -> str:
        """Command x signal, and what `doctor` found."""
        rows = [f"{'command':<16}" + "".join(f"{how:>9}" for how in SIGNALS) + "  doctor found"]
        for command in (*COMMANDS, *FIRST_COMMANDS):
            numbers = [self.counts[command, how] for how in SIGNALS]
            found = [f"{s} {n}" for (c, s), n in sorted(self.named.items()) if c == command]
            rows.append(
                f"{command:<16}"
                + "".join(f"{number:>9}" for number in numbers)
                + f"  {', '.join(found)}"
            )
        return "\n".join(rows)


def interrupt_fork(
    installation: Installation, how: str, delay_s: float, fork: ForkedCommand
) -> bool:
    """Interrupt a command so long after its start; return whether it still ran."""
    time.sleep(delay_s)
    if how == "backend":
        return _end_backend(installation, fork)
    if fork.poll() is not None:
        return False
    number = signal.Signals[how]
    # A terminal sends Ctrl-C to the whole group.
    (os.killpg if number == signal.SIGINT else os.kill)(fork.pid, number)
    return True


def _end_backend(installation: Installation, fork: ForkedCommand) -> bool:
    """Let PostgreSQL end one session of the command, a random one."""
    names = [installation.name, f"{installation.name}_mlflow"]
    with connect(installation.material.cluster.address, autocommit=True) as connection:
        while fork.poll() is None:
            pids = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = ANY(%s) ORDER BY pid", [names]
            ).fetchall()
            if pids:
                connection.execute(
                    "SELECT pg_terminate_backend(%s)", installation.draw.choice(pids)
                )
                return True
            time.sleep(0.005)
    return False


def judge_end(ended: Ended, how: str, good_codes: tuple[int, ...]) -> list[str]:
    """What is wrong with the end of an interrupted command."""
    faults = []
    if FRAME in ended.text or "not foreseen" in ended.text:
        faults.append(f"a traceback, or an unforeseen error: {ended.code}: {ended.text}")
    if not ended.interrupted or ended.code in good_codes:
        return faults
    if how == "SIGINT" and not _is_interrupted(ended):
        faults.append(f"Ctrl-C ended with {ended.code}: {ended.text}")
    if how in ("SIGTERM", "SIGKILL") and ended.code != -signal.Signals[how]:
        faults.append(f"ended with {ended.code}: {ended.text}")
    if how == "backend" and not 3 <= ended.code < 70:
        faults.append(f"ended with {ended.code}: {ended.text}")
    return faults


def _is_interrupted(ended: Ended) -> bool:
    """Whether a command ended as Ctrl-C ends it: with one line.

    Python ends with the signal instead of 130 if the interrupt came in its own end, after the
    command was done. A shell shows 130 for both.
    """
    if ended.code == -signal.SIGINT:
        return True
    is_said = ended.text.splitlines()[-1:] == [INTERRUPTED]
    return ended.code == INTERRUPTED_EXIT_CODE and is_said


def wrong_findings(installation: Installation) -> list[Finding]:
    """What `doctor` finds wrong."""
    findings = doctor(installation.settings(), now=lambda: datetime.now(UTC))
    return [finding for finding in findings if finding.is_wrong]


def advised_commands(findings: list[Finding], backup_file: Path) -> list[str]:
    """The first command that each remedy names and that can be run as it stands, each once.

    The file of a restore is known. Each command gets the catalog of its installation.
    """
    commands: dict[str, None] = {}
    for finding in findings:
        names = DOCTORS_COMMAND.findall(finding.remedy)
        complete = [
            name.replace("restore FILE", f"restore {backup_file}").replace("--catalog FILE ", "")
            for name in names
        ]
        runnable = [name for name in complete if not PLACEHOLDER.search(name)]
        commands.update(dict.fromkeys(runnable[:1]))
    return list(commands)
