"""The ports of services: free, taken, and at addresses that cannot be used."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamflow.errors import PortTaken, SettingsInvalid
from streamflow.services.processes import free_port, require_port
from streamflow.services.running_stack import Stack, choose_ports
from streamflow.services.surroundings import find_api_address
from streamflow.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_refused_and_a_free_one_is_not(host: str) -> None:
    port = free_port(host)
    assert require_port(host, port) == port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family):
        with pytest.raises(PortTaken, match=f"port {port} of {host} is in use"):
            require_port(host, port)
        assert choose_ports(["api"], host, {"api_port": port})["api"] != port


def test_a_host_that_is_not_here_is_named_as_such() -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(SettingsInvalid, match=f"cannot listen at {host}"):
            require_port(host, 8000)
        with pytest.raises(SettingsInvalid, match=f"cannot listen at {host}"):
            choose_ports(["api"], host, {"api_port": 8000})


def test_an_address_of_ipv6_has_brackets(tmp_path: Path) -> None:
    stack = Stack(host="::1", ports={"api": 8000}, prefect_url="")
    assert stack.url("api", "/ready") == "http://[::1]:8000/ready"
    assert find_api_address(Settings(api_host="::1"), tmp_path) == "http://[::1]:8000"
