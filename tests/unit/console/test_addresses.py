"""The links of the page of a user lead to the same user, whatever signs the key has."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from fastapi import Request

from streamflow.console.customer_pages import user_key
from streamflow.console.login import login_address
from streamflow.console.pages import change_address, user_address


def request_of(address: str) -> Request:
    parts = urlsplit(address)
    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(b"host", b"localhost")],
    }
    return Request(scope)


@pytest.mark.parametrize("key", ["a?b", "a#b", "a\\b", "a%2Fb", "50%", "a/b", "=ü &<", "a~b"])
def test_a_link_keeps_the_key(key: str) -> None:
    request = request_of(f"{user_address(key)}?explain=today")
    assert user_key(request) == key
    changed = change_address(request)(format="csv", explain=None)
    assert changed == f"{user_address(key)}?format=csv"
    [next_page] = parse_qs(urlsplit(login_address(request)).query)["next_page"]
    assert next_page == f"{user_address(key)}?explain=today"
