"""Faults around the real API.

No answer is wrong, no request hangs, no acknowledged answer is lost, and the API recovers without a
restart.

The API reaches PostgreSQL by way of a proxy of ours. Each test leaves it healthy.
"""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from conftest import Cluster
from mlflow import MlflowClient
from psycopg import sql
from support.api import SERVERS, Answer, asked, served
from support.chain import JANUARY
from support.fork_server import forked
from support.load import Load, Reply, Truths, not_logged, truths, wrong
from support.processes import wait_for
from support.proxy import Proxy, proxied
from support.scrape import call, numbers
from support.states import THREE_VERSIONS, THRESHOLDS, in_state

from streamflow.database import connect
from streamflow.models.mlflow_client import ignore_stage_warnings
from streamflow.platform import Platform
from streamflow.services.processes import free_port, wait_until_ready
from streamflow.settings import VENDOR_DEFAULTS
from streamflow.steps.promotion.promote import promote

LIMITS = {
    "STREAMFLOW_API_TIME_LIMIT": "0.5",
    "STREAMFLOW_API_CLIENT_LIMIT": "1",
    "STREAMFLOW_API_MAX_WAITING": "20",
    "STREAMFLOW_LOG_FORMAT": "json",
}
IDLE = 2000  # connections
ASKING = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"


class Begun(NamedTuple):
    """An API that was started while PostgreSQL was away, by way of what, and what it said then."""

    base: str
    proxy: Proxy
    health: int
    ready: Answer


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Three versions; the first is in Production."""
    home = tmp_path_factory.mktemp("faults") / "home"
    with in_state(cluster, THREE_VERSIONS, simulated_drops, home) as platform:
        yield platform


@pytest.fixture(scope="module")
def keys(installed: Platform) -> list[str]:
    found = installed.connection.execute(
        "SELECT user_id FROM online.subs_profile_fv ORDER BY user_id LIMIT 50"
    ).fetchall()
    return [key for (key,) in found]


@pytest.fixture(scope="module")
def truth(installed: Platform, keys: list[str]) -> Truths:
    return truths(installed, keys, list(THRESHOLDS))


@pytest.fixture(scope="module")
def begun(installed: Platform) -> Iterator[Begun]:
    url = installed.settings.database_url
    assert url is not None
    with (
        proxied(url.get_secret_value()) as proxy,
        served(
            installed, until="/health", extra={**LIMITS, "STREAMFLOW_DATABASE_URL": proxy.url}
        ) as base,
    ):
        found = Begun(base, proxy, call(base, "GET", "/health").status, asked(f"{base}/ready"))
        proxy.up()
        yield found


@pytest.fixture
def api(begun: Begun) -> str:
    assert wait_for(lambda: is_ready(begun.base)), asked(f"{begun.base}/ready")
    return begun.base


def is_ready(base: str) -> bool:
    return call(base, "GET", "/ready").status == 200


def holds(platform: Platform, load: Load, truth: Truths) -> None:
    """What must hold of all answers of a load, whatever happened."""
    assert load.broken == []
    assert wrong(load.replies, truth) == []
    assert not_logged(platform, load.replies) == []


def recovers(load: Load) -> bool:
    """Whether answers are given again."""
    before = len(load.replies)
    return wait_for(lambda: load.seen(200, after=before))


def fails(load: Load) -> bool:
    """Whether what is asked from now on is refused."""
    before = len(load.replies)
    return wait_for(lambda: load.seen(503, after=before))


def test_it_begins_while_postgresql_is_away(
    begun: Begun, api: str, keys: list[str], truth: Truths
) -> None:
    assert begun.health == 200
    assert begun.ready.status == 503
    assert [reason.partition(":")[0] for reason in begun.ready.body["reasons"]] == [
        "database",
        "model",
    ]
    with Load(api, keys, clients=1) as load:
        assert recovers(load)
    assert wrong(load.replies, truth) == []


def test_postgresql_goes_and_comes(
    installed: Platform, begun: Begun, api: str, keys: list[str], truth: Truths
) -> None:
    with Load(api, keys, pause=0.01) as load:
        assert recovers(load)
        begun.proxy.down()
        assert fails(load)
        assert asked(f"{api}/ready").status == 503
        begun.proxy.up()
        assert recovers(load)
    holds(installed, load, truth)


@pytest.mark.parametrize("fault", ["slow", "silent"])
def test_postgresql_is_slow_or_silent(
    installed: Platform, begun: Begun, api: str, keys: list[str], truth: Truths, fault: str
) -> None:
    with Load(api, keys, pause=0.01) as load:
        assert recovers(load)
        if fault == "slow":
            begun.proxy.delay = 2.0
        else:
            begun.proxy.silent()
        assert fails(load)
        ready = asked(f"{api}/ready")
        assert (ready.status, ready.body["reasons"][0].partition(":")[0]) == (503, "database")
        assert wait_for(lambda: "has not answered" in " ".join(asked(f"{api}/ready").body["notes"]))
        begun.proxy.heal()
        assert recovers(load)
    holds(installed, load, truth)


def test_connections_die_unseen(
    installed: Platform, begun: Begun, api: str, keys: list[str], truth: Truths
) -> None:
    """Connections stay open but give no data, as after a failover: answers use new ones."""
    with Load(api, keys, pause=0.01) as load:
        assert recovers(load)
        begun.proxy.forget()
        assert fails(load)
        assert recovers(load)
        begun.proxy.down()  # those on which the registry is asked
        begun.proxy.up()
        assert recovers(load)
    holds(installed, load, truth)
    assert wait_for(lambda: asked(f"{api}/ready").body["notes"] == [])


@pytest.mark.parametrize("table", ["online.usage_agg_30d_fv", "streamflow.prediction_log"])
def test_a_table_is_locked(
    installed: Platform, api: str, keys: list[str], truth: Truths, table: str
) -> None:
    """Whoever asks for features of one meanwhile uses up the pool."""
    with Load(api, keys, pause=0.01) as load:
        assert recovers(load)
        with connect(installed.login) as other:
            other.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(*table.split("."))))
            with Load(api, keys, clients=8) as more:
                assert fails(load)
                assert fails(more)
        assert recovers(load)
    holds(installed, load, truth)
    holds(installed, more, truth)


def in_mlflow(platform: Platform) -> MlflowClient:
    return MlflowClient(platform.tracking_uri, registry_uri=platform.tracking_uri)


def put_in_mlflow(platform: Platform, version: int) -> None:
    with ignore_stage_warnings():
        in_mlflow(platform).transition_model_version_stage(
            "streamflow_churn", str(version), "Production", True
        )


def model_file(platform: Platform, version: int) -> Path:
    uri = in_mlflow(platform).get_model_version_download_uri("streamflow_churn", str(version))
    return Path(unquote(urlsplit(uri).path)) / "model.skops"


class Planted:
    """What runs a command of somebody else's when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_a_file_that_is_not_the_one_registered(
    installed: Platform, api: str, keys: list[str], truth: Truths, tmp_path: Path
) -> None:
    """A flipped byte, then a pickle in place of the model and beside it; at last the original."""
    path, mark = model_file(installed, 2), tmp_path / "unpickled"
    right = path.read_bytes()
    flipped = bytearray(right)
    flipped[len(flipped) // 2] ^= 1
    planted = pickle.dumps(Planted(mark))
    with Load(api, keys, pause=0.02) as load:
        for content in (bytes(flipped), planted):
            path.write_bytes(content)
            for name in ("model.pkl", "python_model.pkl"):
                path.with_name(name).write_bytes(planted)
            put_in_mlflow(installed, 2)  # `promote` would not: it looks at the file first
            assert wait_for(lambda: numbers(api)["streamflow_model_refused"] == {(): 1})
            ready = asked(f"{api}/ready")
            assert ready.status == 200
            assert "version 2 is in Production and cannot be served" in ready.body["notes"][0]
            assert "it was not parsed" in ready.body["notes"][0]
            assert asked(f"{api}/model").body["version"] == 1
            promote(installed, 1, force=True, why="back")
            assert wait_for(lambda: asked(f"{api}/ready").body["notes"] == [])
        path.write_bytes(right)
        promote(installed, 2, force=True, why="mended")
        assert wait_for(lambda: asked(f"{api}/model").body["version"] == 2)
        assert numbers(api)["streamflow_model_refused"] == {(): 0}
        promote(installed, 1, force=True, why="back")
        assert wait_for(lambda: asked(f"{api}/model").body["version"] == 1)
    assert not mark.exists()
    assert {reply.version for reply in load.replies if reply.status == 200} == {1, 2}
    holds(installed, load, truth)
    (tmp_path / "control").mkdir()
    with pytest.raises(FileExistsError):
        pickle.loads(pickle.dumps(Planted(tmp_path / "control")))  # noqa: S301  # it would have been seen


@contextmanager
def full_disk(platform: Platform) -> Iterator[None]:
    """The prediction log on a file system of its own, which is full."""
    if os.geteuid() != 0 or platform.settings.database_url is None:
        pytest.skip("only root may mount a file system of its own")
    with ExitStack() as closing:
        connection = closing.enter_context(connect(platform.login, autocommit=True))
        data = Path(str(connection.execute("SHOW data_directory").fetchone()[0]))  # type: ignore[index]
        if not data.is_dir():
            pytest.skip("the server is on another machine")
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        folder.chmod(0o755)
        mounted = subprocess.run(
            [
                "mount",
                "-t",
                "tmpfs",
                "-o",
                f"size=64m,mode=700,uid={data.stat().st_uid},gid={data.stat().st_gid}",
                "tmpfs",
                folder,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        closing.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
        name = sql.Identifier(f"small_{uuid4().hex[:8]}")
        connection.execute(
            sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, sql.Literal(str(folder)))
        )
        closing.callback(connection.execute, sql.SQL("DROP TABLESPACE {}").format(name))
        parts = connection.execute(
            "SELECT relname FROM pg_class"
            " WHERE relispartition AND relkind = 'r' AND relnamespace = 'streamflow'::regnamespace"
        ).fetchall()
        for (part,) in parts:
            table = sql.SQL("ALTER TABLE streamflow.{} SET TABLESPACE {}")
            connection.execute(table.format(sql.Identifier(part), name))
            closing.callback(
                connection.execute, table.format(sql.Identifier(part), sql.Identifier("pg_default"))
            )
        rest = folder / "rest"
        closing.callback(rest.unlink)
        with pytest.raises(OSError, match="No space left"):
            fill(rest)
        yield


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))


def test_the_disk_of_the_log_is_full(
    installed: Platform, api: str, keys: list[str], truth: Truths
) -> None:
    with Load(api, keys) as load:
        assert recovers(load)
        with full_disk(installed):
            assert wait_for(
                lambda: any(reply.body.get("code") == "disk_full" for reply in load.replies)
            )
        assert recovers(load)
    holds(installed, load, truth)


def test_many_connections_that_ask_nothing(
    installed: Platform, api: str, keys: list[str], truth: Truths
) -> None:
    """They keep nobody out, and are closed after a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 500:
        pytest.skip(f"this process may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, IDLE + 500), hard))
    address = (urlsplit(api).hostname, urlsplit(api).port)
    with ExitStack() as closing:
        closing.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        idle = [
            closing.enter_context(socket.create_connection(address, timeout=30))
            for _ in range(IDLE)
        ]
        with Load(api, keys) as load:
            assert recovers(load)
        assert load.seen(503) is False
        holds(installed, load, truth)
        assert [one.recv(1) for one in idle] == [b""] * IDLE
    assert is_ready(api)


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (f"{ASKING}X-Slow: ", None),
        (f"{ASKING}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n", "408"),
    ],
)
def test_a_client_that_never_ends_what_it_asks(
    api: str, beginning: str, status: str | None
) -> None:
    with socket.create_connection((urlsplit(api).hostname, urlsplit(api).port), timeout=30) as slow:
        slow.sendall(beginning.encode())
        slow.settimeout(0.2)
        answer = bytearray()

        def is_closed() -> bool:
            try:
                slow.sendall(b" ")
                part = slow.recv(65_536)
            except TimeoutError:
                return False
            except OSError:
                return True
            answer.extend(part)
            return not part

        assert wait_for(is_closed)
    assert answer.decode().split(" ")[1:2] == ([status] if status else [])


def test_more_is_asked_than_can_be_answered(
    installed: Platform, api: str, keys: list[str], truth: Truths
) -> None:
    """Too many requests are refused at once, with a message.

    The accepted ones are answered correctly; then all is as before.
    """
    from concurrent.futures import ThreadPoolExecutor

    body = ('{"user_ids": ["' + '", "'.join(keys) + '"]}').encode()
    with ThreadPoolExecutor(32) as pool, Load(api, keys, clients=2) as load:
        answers = list(pool.map(lambda _: call(api, "POST", "/predict/batch", body), range(320)))
    assert {answer.status for answer in answers} == {200, 503}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status == 503)
    assert any("api_max_waiting" in answer.text for answer in answers if answer.status == 503)
    holds(installed, load, truth)
    with Load(api, keys, clients=2) as after:
        assert recovers(after)
    assert not after.seen(503)
    assert numbers(api)["streamflow_waiting_ids"] == {(): 0}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A file that says what time it is, and the variables by which a process believes it."""
    file = tmp_path_factory.mktemp("clock") / "time"
    file.write_text("+0")
    variables = {}
    if program := shutil.which("faketime"):
        said = subprocess.run(
            [program, "-m", "now", "env"], capture_output=True, text=True, check=True
        ).stdout
        preload = next(
            line.partition("=")[2] for line in said.splitlines() if line.startswith("LD_PRELOAD=")
        )
        variables = {
            "LD_PRELOAD": preload,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
    return file, variables


@pytest.fixture(scope="module")
def shedding(installed: Platform, clock: tuple[Path, dict[str, str]]) -> Iterator[str]:
    """Two workers that give an answer which cannot be logged, on a clock of their own."""
    extra = {
        **LIMITS,
        "STREAMFLOW_API_WORKERS": "2",
        "STREAMFLOW_PREDICTION_LOG": "shed",
        **clock[1],
    }
    with served(installed, extra=extra, forks=False) as base:
        yield base


def workers(base: str) -> set[int]:
    """The processes that answer, of a server with several."""
    import psutil

    children = psutil.Process(SERVERS[base]).children(recursive=True)
    found = set()
    for child in children:
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def test_a_worker_is_killed(
    installed: Platform, shedding: str, keys: list[str], truth: Truths
) -> None:
    import signal

    before = workers(shedding)
    assert len(before) == 2
    with Load(shedding, keys, clients=6) as load:
        assert recovers(load)
        os.kill(min(before), signal.SIGKILL)
        assert wait_for(lambda: len(workers(shedding) - before) == 1)
        assert recovers(load)
        assert wait_for(lambda: is_ready(shedding))
    assert not [words for words in load.broken if words.startswith("no answer")]
    assert len(load.broken) <= 6, "more than what the dead worker was answering"
    assert wrong(load.replies, truth) == []
    assert not_logged(installed, load.replies) == []


def test_what_cannot_be_logged_is_counted(
    installed: Platform, shedding: str, keys: list[str], truth: Truths
) -> None:
    before = numbers(shedding)["streamflow_unlogged_predictions_total"].get((), 0)
    with Load(shedding, keys, clients=2) as load:
        assert recovers(load)
        with connect(installed.login) as other:
            other.execute("LOCK TABLE streamflow.prediction_log")
            before_lock = len(load.replies)
            assert wait_for(
                lambda: sum(reply.status == 200 for reply in load.replies[before_lock:]) >= 10
            )
        with full_disk(installed):
            assert recovers(load)
        assert recovers(load)
    assert wrong(load.replies, truth) == []
    unlogged = numbers(shedding)["streamflow_unlogged_predictions_total"][()] - before
    assert 0 < len(not_logged(installed, load.replies)) <= unlogged


def test_the_clock_jumps(
    installed: Platform,
    shedding: str,
    clock: tuple[Path, dict[str, str]],
    keys: list[str],
    truth: Truths,
) -> None:
    file, variables = clock
    if not variables:
        pytest.skip("faketime is not installed")
    with Load(shedding, keys, clients=2) as load:
        for jump in ("+400d", "-400d", "+0"):
            file.write_text(jump)
            days = int(jump.rstrip("d"))
            assert wait_for(lambda days=days: tells_age(load, age(installed) + days))  # type: ignore[misc]
            assert wait_for(lambda: is_ready(shedding))
    assert {reply.body.get("code") for reply in load.replies if reply.status != 200} <= {
        "overloaded"
    }, "half a second is not much"
    assert wrong(load.replies, truth) == []


def tells_age(load: Load, days: float) -> bool:
    """Whether the newest answer does."""
    return (
        bool(load.replies)
        and abs(float(str(load.replies[-1].body.get("age_days", "nan"))) - days) < 1
    )


def age(platform: Platform) -> float:
    row = platform.connection.execute(
        "SELECT extract(epoch FROM now() - %s) / 86400", [JANUARY]
    ).fetchone()
    assert row is not None
    return float(row[0])


def test_mlflow_goes_and_comes(
    installed: Platform, keys: list[str], truth: Truths, tmp_path: Path
) -> None:
    """An MLflow server of its own; the version that answers goes on without it."""
    port, log = free_port(), tmp_path / "mlflow.log"
    arguments = [
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
        "--backend-store-uri",
        installed.tracking_uri,
        "--default-artifact-root",
        installed.artifact_root,
    ]
    environment = {**os.environ, **VENDOR_DEFAULTS}
    with ExitStack() as closing:
        child = closing.enter_context(
            forked(arguments, environment=environment, log=log, module="mlflow")
        )
        wait_until_ready(f"http://127.0.0.1:{port}/health", child, name="MLflow", log=log)
        proxy = closing.enter_context(proxied(f"postgresql://127.0.0.1:{port}/"))
        proxy.up()
        uri = f"http://127.0.0.1:{proxy.port}"
        base = closing.enter_context(
            served(installed, extra={**LIMITS, "STREAMFLOW_MLFLOW_TRACKING_URI": uri})
        )
        with Load(base, keys, clients=1, pause=0.05) as load:
            proxy.down()
            assert wait_for(lambda: "MLflow" in " ".join(asked(f"{base}/ready").body["notes"]))
            assert wait_for(lambda: is_ready(base))
            assert recovers(load)
            proxy.up()
            assert wait_for(lambda: asked(f"{base}/ready").body["notes"] == [])
            promote(installed, 2, force=True, why="a test")
            assert wait_for(lambda: asked(f"{base}/model").body["version"] == 2)
            promote(installed, 1, force=True, why="back")
            assert wait_for(lambda: asked(f"{base}/model").body["version"] == 1)
    assert {reply.body.get("code") for reply in load.replies if reply.status != 200} <= {
        "overloaded"
    }, "half a second is not much"
    holds(installed, load, truth)


def test_a_worker_is_stopped(
    installed: Platform, shedding: str, keys: list[str], truth: Truths
) -> None:
    """The other one answers, and follows a promotion. The stopped one is replaced."""
    import signal

    before = workers(shedding)
    with Load(shedding, keys, clients=6, pause=0.05) as load:
        assert recovers(load)
        os.kill(min(before), signal.SIGSTOP)
        promote(installed, 2, force=True, why="while a worker is stopped")
        assert wait_for(lambda: len(workers(shedding) - before) == 1)
        assert min(before) not in workers(shedding)
        assert wait_for(lambda: {reply.version for reply in ok(load)[-12:]} == {2})
        assert recovers(load)
    promote(installed, 1, force=True, why="back")
    assert wait_for(lambda: asked(f"{shedding}/model").body["version"] == 1)
    assert not [words for words in load.broken if words.startswith("no answer")]
    assert len(load.broken) <= 6, "more than what the stopped worker was answering"
    assert wrong(load.replies, truth) == []
    assert not_logged(installed, load.replies) == []


def ok(load: Load) -> list[Reply]:
    """The answers of a load, without the refusals."""
    return [reply for reply in load.replies if reply.status == 200]
