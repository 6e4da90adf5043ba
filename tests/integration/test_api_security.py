"""Who may ask the real API what, and what becomes of requests that no well-behaved client sends.

It runs as it should where clients of a network reach it: with keys, and with a database user that
has
only the rights of the API's role.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
import requests
import schemathesis
from conftest import Cluster
from hypothesis import HealthCheck, given, settings
from psycopg import sql
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from support.api import served
from support.chain import JANUARY, in_production, run
from support.processes import wait_for
from support.scrape import Raw, call

from streamflow.api.endpoint_scopes import OPEN_PATHS, required_scope
from streamflow.core.serving.api_keys import SCOPES, make_key
from streamflow.database import connect
from streamflow.platform import Platform, open_platform
from streamflow.steps.serving.api_keys import create_key, list_keys, revoke_keys

KEY = "7590-VHVEG"
ASK = json.dumps({"user_id": KEY}).encode()
PLANTED = "9999-PLANTED"
LIMIT = 1_100_000
EXAMPLES = 10  # of each operation and mode
# A JSON schema cannot say that the shape of a tensor fits its data, so a body may be refused that
# fits the document.
SHAPED = "/v2/models/{model_name}/infer"


@dataclass(frozen=True, kw_only=True)
class Door:
    """A served API that asks for keys, one key of each scope, and what it logs."""

    platform: Platform
    base: str
    keys: dict[str, str]
    log: Path

    def ask(
        self,
        path: str,
        *,
        scope: str = "admin",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Raw:
        given = {"Authorization": f"Bearer {self.keys[scope]}"} if scope else {}
        return call(
            self.base, "GET" if body is None else "POST", path, body, {**given, **(headers or {})}
        )


@pytest.fixture(scope="module")
def door(
    cluster: Cluster, simulated_drops: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    name = f"sf_test_{uuid4().hex[:12]}"
    user = f"{name}_api"
    cluster.clone(name)
    with connect(cluster.address, autocommit=True) as administrator:
        administrator.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE streamflow_api").format(
                sql.Identifier(user), sql.Literal(user)
            )
        )
    try:
        home = tmp_path_factory.mktemp("security") / "home"
        with open_platform(
            cluster.settings(name, home, trees=5, calibration="none", threshold=0.5)
        ) as platform:
            run(platform, simulated_drops / "month_000", JANUARY)
            in_production(platform, JANUARY)
            keys = {
                scope: create_key(platform, f"{scope} of a test", scope=scope, days=None).key
                for scope in SCOPES
            }
            plain = replace(
                platform.login,
                role=None,
                password=user,
                parameters={**platform.login.parameters, "user": user},
            )
            extra = {
                "STREAMFLOW_DATABASE_URL": plain.uri(),
                "STREAMFLOW_API_AUTH": "on",
                "STREAMFLOW_API_MAX_BODY": str(LIMIT),
                "STREAMFLOW_LOG_FORMAT": "json",
            }
            with served(platform, extra=extra) as base:
                yield Door(
                    platform=platform, base=base, keys=keys, log=platform.home / "logs" / "api.log"
                )
    finally:
        cluster.drop(name)
        with connect(cluster.address, autocommit=True) as administrator:
            administrator.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def code(answer: Raw) -> str:
    return str(json.loads(answer.text)["code"])


def test_nobody_gets_in_without_a_key_in_force(door: Door) -> None:
    right = door.keys["predict"]
    wrong = [
        {},
        {"Authorization": right},
        {"Authorization": f"Basic {right}"},
        {"Authorization": f"Bearer {right[:-1]}"},
        {"Authorization": f"Bearer {right[:15]}_{make_key().text[16:]}"},
        {"Authorization": f"Bearer {make_key().text}"},
        {"Authorization": f"Bearer {right}", "X-API-Key": right},
        {"X-API-Key": f"Bearer {right}"},
        {"X-API-Key": ""},
        {"Cookie": f"key={right}"},
    ]
    for headers in wrong:
        refused = door.ask("/predict", scope="", body=ASK, headers=headers)
        assert (refused.status, code(refused)) == (401, "unauthorized"), list(headers)
        assert refused.headers["www-authenticate"].startswith("Bearer")
    for path in (
        f"/predict?key={right}",
        f"/predict?api_key={right}&access_token={right}",
        f"/predict?Authorization=Bearer%20{right}",
    ):
        assert door.ask(path, scope="", body=ASK).status == 401
    for headers in (
        {"Authorization": f"Bearer {right}"},
        {"authorization": f"bearer {right}"},
        {"X-API-Key": right},
    ):
        assert door.ask("/predict", scope="", body=ASK, headers=headers).status == 200


def test_a_scope_lets_in_where_it_is_enough(door: Door) -> None:
    asked = {
        "/metrics": None,
        "/model": None,
        f"/features/{KEY}": None,
        "/openapi.json": None,
        "/docs": None,
        "/predict": ASK,
    }
    for path, body in asked.items():
        needed = required_scope(path)
        assert needed is not None
        for scope in SCOPES:
            answer = door.ask(path, scope=scope, body=body)
            assert answer.status == (200 if SCOPES.index(scope) >= SCOPES.index(needed) else 403), (
                path,
                scope,
            )
    refused = door.ask("/predict", scope="read", body=ASK)
    assert (code(refused), refused.headers["www-authenticate"]) == (
        "forbidden",
        'Bearer error="insufficient_scope", scope="predict"',
    )


def test_a_key_is_made_revoked_and_replaced_without_a_restart(door: Door) -> None:
    first = create_key(door.platform, "crm", scope="read", days=1)
    second = create_key(door.platform, "crm", scope="read", days=None)

    def status(key: str) -> int:
        return door.ask("/model", scope="", headers={"X-API-Key": key}).status

    assert wait_for(lambda: (status(first.key), status(second.key)) == (200, 200))
    assert [row.id for row in revoke_keys(door.platform, first.row.id).revoked] == [first.row.id]
    assert wait_for(lambda: (status(first.key), status(second.key)) == (401, 200))
    door.platform.connection.execute("SET ROLE none")  # the writer may revoke a key and no more
    door.platform.connection.execute(
        "UPDATE streamflow.api_key SET expires = now() WHERE id = %s", [second.row.id]
    )
    door.platform.connection.execute("SET ROLE streamflow_writer")
    assert wait_for(lambda: status(second.key) == 401)
    states = {row.id: row.state for row in list_keys(door.platform)}
    assert (states[first.row.id], states[second.row.id]) == ("revoked", "expired")
    stored = door.platform.connection.execute("SELECT * FROM streamflow.api_key").fetchall()
    assert not any(
        key.split("_", 2)[2] in str(stored) for key in (*door.keys.values(), first.key, second.key)
    )


def test_every_endpoint_has_a_scope_and_asks_for_it(door: Door) -> None:
    paths = [
        *json.loads(door.ask("/openapi.json").text)["paths"],
        "/metrics",
        "/docs",
        "/redoc",
        "/openapi.json",
    ]
    for path in paths:
        concrete = path.replace("{user_id}", KEY)
        assert path in OPEN_PATHS or required_scope(concrete) is not None, f"{path} has no scope"
        for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE", "PROPFIND"):
            is_read = method in ("GET", "HEAD")
            expected = 401 if path not in OPEN_PATHS else 200 if is_read else 405
            assert call(door.base, method, concrete).status == expected, (method, path)
    documented = json.loads(door.ask("/openapi.json").text)["paths"]
    assert all(
        operation["security"] == [{"bearer": []}, {"header": []}]
        for operation in documented["/predict"].values()
    )


TRICKS = [
    "/x/health",
    "/predict/health",
    f"/features/{KEY}/health",
    "/health/",
    "//health",
    "/health/..",
    "/health/../predict",
    "/./health",
    "/health/%2e%2e/predict",
    "/health%2f..%2fpredict",
    "/health%252f..%252fpredict",
    "/%2e%2e/metrics",
    "/predict;/health",
    "/health;x",
    "/predict?/health",
    "/predict#/health",
    "/Health",
    "/HEALTH",
    "/health%00",
    "/health%20",
    "/healt%68/",
    "/metrics/",
    "/openapi.json/health",
    "/docs/../health",
    "/ready/x",
    "\\health",
    "/health\\..\\predict",
    "/features/..%2f..%2fmetrics",
    "/features/..",
    "/%252e%252e/predict",
]


def test_no_path_gets_past_the_keys(door: Door) -> None:
    """The guard and the router read the same path, and open paths are compared exactly."""
    for path in TRICKS:
        refused = door.ask(path, scope="")
        assert refused.status in (400, 401), path
        assert door.ask(path).status in (400, 404, 405), path
    assert (
        door.ask("/%68ealth", scope="").text == '{"status":"ok"}'
    )  # RFC 3986: it is the same path
    absolute = call(door.base, "GET", f"http://{urlsplit(door.base).netloc}/predict/health")
    assert absolute.status == 401


def test_what_is_malformed_is_refused_and_nothing_else_happens(door: Door) -> None:
    deep = b'{"user_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    malformed = [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"{}",
        b'{"user_id": NaN}',
        b'{"user_id": Infinity}',
        b'{"user_id": -Infinity}',
        b'{"user_id": 1e999}',
        b'{"user_id": ' + b"9" * 5000 + b"}",
        b'{"user_id": 7590}',
        b'{"user_id": null}',
        b'{"user_id": true}',
        b'{"user_id": ["7590-VHVEG"]}',
        b'{"user_id": {"a": 1}}',
        b'{"user_id": ""}',
        b'{"user_id": "a\\u0000b"}',
        b'{"user_id": "a\x00b"}',
        b'{"user_id": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"user_id": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf" + ASK,
        b'{"user_id": "7590-VHVEG", "user_id": "7590-VHVEG"}',
        b'{"user_id": "a", "user\\u005fid": "b"}',
        b'{"user_id": "7590-VHVEG", "extra": 1}',
        b'{"user_id": "7590-VHVEG"} x',
        b"{'user_id': 'x'}",
        deep,
        deep[:100_000],
        b'{"user_id": "' + b"x" * 1_000_000 + b'"}',
        b'{"user_id": "' + b'\\"' * 500_000,
        b'{"' + b"k" * 1_000_000 + b'": 1}',
    ]
    for body in malformed:
        refused = door.ask("/predict", body=body)
        assert (refused.status, code(refused)) == (422, "malformed_request"), body[:60]
        assert len(refused.text) < 1000
        assert "Traceback" not in refused.text
        assert "pydantic" not in refused.text
    assert (
        door.ask("/predict", body=ASK, headers={"Content-Type": "text/plain"}).status == 422
    )  # what a foreign page may send
    assert (
        door.ask(
            "/predict", body=ASK, headers={"Content-Type": "application/json; charset=utf-16"}
        ).status
        == 200
    )  # JSON is UTF-8


def test_a_key_in_another_form_is_another_key(door: Door) -> None:
    for key in (
        "7590\u2010VHVEG",
        "７590-VHVEG",
        "7590-VHVE\u0047\u0301",
        f"{KEY} ",
        f" {KEY}",
        f"{KEY}\u200b",
        KEY.lower(),
        "é",
        "e\u0301",
        "'",
    ):
        assert door.ask("/predict", body=json.dumps({"user_id": key}).encode()).status == 404
    for path in (
        "/features/7590%E2%80%90VHVEG",
        "/features/%FF",
        "/features/%C0%AE",
        f"/features/{KEY}%20",
        "/features/%27%20OR%201=1",
    ):
        assert door.ask(path).status == 404
    for path in ("/features/%00", f"/features/{KEY}%00", "/features/" + "x" * 3000):
        assert (door.ask(path).status, code(door.ask(path))) == (422, "malformed_request")
    assert door.ask("/features/" + "x" * 60_000).status == 422
    refused = door.ask("/features/" + "x" * 100_000)
    assert (refused.status, code(refused)) == (431, "head_too_large")


def test_a_body_above_the_limit_is_refused_however_it_is_sent(door: Door) -> None:
    body = b'{"user_id": "' + b"x" * LIMIT + b'"}'
    refused = door.ask("/predict", body=body)
    assert (refused.status, code(refused), refused.headers["connection"]) == (
        413,
        "body_too_large",
        "close",
    )
    assert (
        door.ask(
            "/predict",
            headers={"Content-Length": str(10**12), "Expect": "100-continue"},
            body=b"{}",
        ).status
        == 413
    )
    assert _chunked(door, [body[i : i + 65536] for i in range(0, len(body), 65536)]) == 413
    assert _chunked(door, [ASK[:5], ASK[5:]]) == 200
    assert _chunked(door, []) == 422


def _chunked(door: Door, parts: list[bytes]) -> int:
    connection = http.client.HTTPConnection(urlsplit(door.base).netloc, timeout=60)
    headers = {
        "Content-Type": "application/json",
        "X-API-Key": door.keys["predict"],
        "Transfer-Encoding": "chunked",
    }
    connection.request("POST", "/predict", iter(parts), headers, encode_chunked=True)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_foreign_host_and_a_foreign_page_get_nothing(door: Door) -> None:
    port = urlsplit(door.base).port
    for host in (
        "evil.example.com",
        f"evil.example.com:{port}",
        "127.0.0.1.evil.example.com",
        "localhost@evil",
        "[::1",
        "2130706433",
        "",
    ):
        refused = door.ask("/health", headers={"Host": host})
        assert refused.status == 400, host
    for host in ("localhost", f"LOCALHOST:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert door.ask("/health", headers={"Host": host}).status == 200
    foreign = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    assert not [
        name
        for name in door.ask("/model", headers=foreign).headers
        if name.startswith("access-control")
    ]
    assert call(door.base, "OPTIONS", "/predict", headers=foreign).status == 401


def test_every_answer_tells_a_browser_to_be_careful(door: Door) -> None:
    for path, scope, status in (
        ("/model", "admin", 200),
        ("/model", "", 401),
        ("/health", "", 200),
        ("/nothing", "admin", 404),
    ):
        answer = door.ask(path, scope=scope)
        assert answer.status == status
        told = {
            name: answer.headers[name]
            for name in ("cache-control", "referrer-policy", "x-content-type-options")
        }
        assert told == {
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        assert (
            answer.headers["content-security-policy"]
            == "default-src 'none'; frame-ancestors 'none'"
        )
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers
    page = door.ask("/docs")
    assert "'sha256-" in page.headers["content-security-policy"]
    assert (
        "'unsafe-inline'" not in page.headers["content-security-policy"].partition("style-src")[0]
    )


def test_readiness_tells_its_reasons_to_those_with_a_key(door: Door) -> None:
    door.platform.connection.execute("ALTER TABLE online.usage_agg_30d_fv RENAME TO gone")
    try:
        told, short = door.ask("/ready"), door.ask("/ready", scope="")
    finally:
        door.platform.connection.execute("ALTER TABLE online.gone RENAME TO usage_agg_30d_fv")
    assert (told.status, short.status) == (503, 503)
    (reason,) = json.loads(told.text)["reasons"]
    assert "usage_agg_30d_fv" in reason
    assert json.loads(short.text)["reasons"] == [reason.partition(":")[0]]


def test_neither_a_key_nor_an_id_is_in_the_log_or_the_numbers(door: Door) -> None:
    """Of all that was asked here: a key of the API is named by its id, which may be known."""
    for secret in (*door.keys.values(), make_key().text):
        door.ask(f"/predict?key={secret}", scope="", body=ASK, headers={"X-API-Key": secret + "x"})
        door.ask(
            f"/features/{secret}",
            scope="",
            headers={"Authorization": f"Bearer {secret}x", "User-Agent": secret},
        )
        door.ask(f"/{secret}", headers={"Host": secret})
    door.ask(f"/features/{PLANTED}")
    door.ask("/predict", body=f'{{"user_id": "{PLANTED}", "{PLANTED}": 1}}'.encode())
    last = door.ask("/model", scope="read").headers["x-request-id"]
    assert wait_for(lambda: last in door.log.read_text(encoding="utf-8"))
    found = call(door.base, "GET", "/metrics", headers={"X-API-Key": door.keys["metrics"]}).text
    written = door.log.read_text(encoding="utf-8") + found
    for secret in door.keys.values():
        assert secret.split("_", 2)[2] not in written
        assert secret not in written
    assert not [text for text in (KEY, PLANTED, "Traceback", "evil.example") if text in written]
    caller = door.keys["read"].split("_")[1]
    assert [
        line for line in written.splitlines() if last in line and f'"caller": "{caller}"' in line
    ]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_one_that_the_openapi_document_describes(
    door: Door, mode: GenerationMode
) -> None:
    """Requests that fit the document, and requests that do not.

    There is no 5xx, and no status or body that the document does not know.
    """
    headers = {"X-API-Key": door.keys["admin"]}
    schema = schemathesis.openapi.from_url(f"{door.base}/openapi.json", headers=headers)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {
        "/health",
        "/ready",
        "/model",
        "/features/{user_id}",
        "/predict",
    }
    asked = []
    with requests.Session() as session:
        for operation in operations:
            if mode is GenerationMode.NEGATIVE and not (
                operation.path_parameters or operation.body
            ):
                continue  # nothing of it can be wrong

            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def fits(case: schemathesis.Case) -> None:
                path = case.operation.path
                excluded = [ignored_auth]  # the keys are ours
                if path == SHAPED:
                    excluded.append(positive_data_acceptance)
                answer = case.call_and_validate(
                    session=session, headers=headers, excluded_checks=excluded
                )
                asked.append((path, answer.status_code))

            fits()
    assert len(asked) > len(operations)
    refused = {path for path, status in asked if status == 422} - {SHAPED}
    assert bool(refused) == (mode is GenerationMode.NEGATIVE)


UPGRADE = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA",
}


def raw(door: Door, request: bytes) -> int:
    """The status of the answer to these bytes, after which the API closes the connection."""
    with socket.create_connection(split(door), timeout=30) as connection:
        connection.sendall(request)
        content = b"".join(iter(lambda: connection.recv(65536), b""))
    (status,) = re.findall(rb"HTTP/1\.1 (\d{3})", content)
    return int(status)


def split(door: Door) -> tuple[str, int]:
    address = urlsplit(door.base)
    assert address.hostname is not None
    assert address.port is not None
    return address.hostname, address.port


def test_a_key_in_a_trailer_alone_is_no_key(door: Door) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    key = f"X-API-Key: {door.keys['admin']}\r\n".encode()
    chunked = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(ASK), ASK)
    assert raw(door, head + chunked + chunk + key + b"\r\n") == 401
    assert raw(door, head + key + chunked + chunk + b"X-Sum: 1\r\n\r\n") == 200


def test_a_request_that_asks_for_http_2_is_answered_with_its_body(door: Door) -> None:
    for headers in (UPGRADE, {"Connection": "Upgrade", "Upgrade": "websocket"}):
        assert door.ask("/predict", body=ASK, headers=headers).status == 200
        assert door.ask("/predict", scope="", body=ASK, headers=headers).status == 401
        assert door.ask("/health", headers=headers).text == '{"status":"ok"}'


ODD_KEYS = (
    "A/1", "trail", "trail/", "/lead", "a//b", "../model", "health", "predict/batch",
    "a\nb", "a\n", "\ufffd", "%2F", "a+b c", "a?b#c;d", "é/é", ".", "..",
)  # fmt: skip


@pytest.fixture
def odd_users(door: Door) -> Iterator[tuple[str, ...]]:
    """Users with the live features of KEY and a key that is odd in a path, but for 'trail'."""
    views = tuple(door.platform.catalog.views)
    odd_keys = tuple(key for key in ODD_KEYS if key != "trail/")
    for view in views:
        for key in odd_keys:
            door.platform.connection.execute(
                f"INSERT INTO online.{view} SELECT (jsonb_populate_record("
                "live, jsonb_build_object('user_id', %s::text))).*"
                f" FROM online.{view} AS live WHERE user_id = %s",
                [key, KEY],
            )
    yield odd_keys
    for view in views:
        door.platform.connection.execute(
            f"DELETE FROM online.{view} WHERE user_id = ANY(%s)", [list(odd_keys)]
        )


def test_each_path_answers_for_the_key_in_it_and_for_no_other(
    door: Door, odd_users: tuple[str, ...]
) -> None:
    for key in odd_users:
        for path in {f"/features/{quote(key, safe='')}", f"/features/{quote(key)}"}:
            answer = door.ask(path)
            assert (answer.status, json.loads(answer.text)["user_id"]) == (200, key), path
        predicted = door.ask("/predict", body=json.dumps({"user_id": key}).encode())
        assert (predicted.status, json.loads(predicted.text)["user_id"]) == (200, key)
    batch = door.ask("/predict/batch", body=json.dumps({"user_ids": odd_users}).encode())
    entries = json.loads(batch.text)["predictions"]
    assert [(entry["user_id"], "code" in entry) for entry in entries] == [
        (key, False) for key in odd_users
    ]
    explained = door.ask("/explain", body=b'{"user_id": "A/1"}')
    assert json.loads(explained.text)["user_id"] == "A/1"
    absent = ("trail%2F", "trail/", "A%2F1/", "A%252F1", "%FF", "%C0%AF", "A%EF%BC%8F1", "a%0A%0A")
    for form in absent:
        answer = door.ask(f"/features/{form}")
        assert (answer.status, code(answer)) == (404, "entity_unknown"), form
    assert door.ask("/features/").status == 422


def test_no_form_of_a_request_is_redirected_or_fails(door: Door) -> None:
    """Requests that fit the document, sent in forms that only some clients use."""
    headers = {"X-API-Key": door.keys["admin"]}
    schema = schemathesis.openapi.from_url(f"{door.base}/openapi.json", headers=headers)
    statuses = set()
    for result in schema.get_all_operations():

        @settings(
            max_examples=4,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=result.ok().as_strategy(generation_mode=GenerationMode.POSITIVE))
        def is_answered(case: schemathesis.Case) -> None:
            options = case.as_transport_kwargs(base_url=door.base, headers=headers)
            request = requests.Request(
                **{name: options.get(name) for name in ("method", "url", "json", "data")}
            ).prepare()
            statuses.update(raw(door, form) for form in forms(request, headers))

        is_answered()
    assert statuses >= {200, 404, 405}
    assert not [status for status in statuses if 300 <= status < 400 or status >= 500]


def forms(request: requests.PreparedRequest, key: Mapping[str, str]) -> list[bytes]:
    """The request as it is, as h2c, in chunks with a trailer, with HEAD, and with other paths."""
    body = request.body or b""
    body = body.encode() if isinstance(body, str) else body
    assert isinstance(body, bytes)
    path, headers = request.path_url, {"Content-Type": "application/json", **key}
    sized = {**headers, "Content-Length": str(len(body))}
    chunks = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    in_chunks = chunks + b"0\r\nContent-Type: a/b\r\nX-API-Key: x\r\n\r\n"
    method = str(request.method)
    return [
        wire(method, path, sized, body),
        wire(method, path, {**sized, **UPGRADE}, body),
        wire(method, path, {**headers, "Transfer-Encoding": "chunked"}, in_chunks),
        wire(method, path, {**headers, **UPGRADE, "Transfer-Encoding": "chunked"}, in_chunks),
        wire("HEAD", path, sized, body),
        *(wire(method, form, sized, body) for form in (f"{path}/", f"{path}%2F", f"{path}%FF")),
    ]


def wire(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
