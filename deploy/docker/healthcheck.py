"""Check whether the service of this container does its work; exit code 0 means that it does.

Compose runs it: python healthcheck.py SERVICE.

mlflow   answers a question to its registry, from its database
prefect  its database answers, and the worker has announced that it serves the flows
feast    answers a question to the live features, from the database
api      reaches its database; without a version in Production, or before the first drop, it counts
         as healthy too
console  answers; each of its pages needs a log-in
"""

import json
import sys
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 8


def asked(url: str, body: object = None) -> Any:
    """The JSON of an answer, whatever its status."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310  # our container
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer)


def mlflow() -> list[str]:
    """Its store is asked, not only the process."""
    asked("http://127.0.0.1:5000/api/2.0/mlflow/registered-models/search?max_results=1")
    return []


def prefect() -> list[str]:
    """Deployments are READY as long as the process that serves them polls."""
    asked("http://127.0.0.1:4200/api/ready")
    served = asked("http://127.0.0.1:4200/api/deployments/filter", {})
    waiting = [d["name"] for d in served if d["status"] != "READY"]
    return (
        [f"not served: {', '.join(waiting)}"]
        if waiting
        else []
        if served
        else ["no flow is served yet"]
    )


def feast() -> list[str]:
    """Ask for one feature of a key that no user has, which reads the registry and the live table.

    Then ask for the page.
    """
    from streamflow.catalog import load_catalog
    from streamflow.settings import load_settings

    catalog = load_catalog(load_settings().catalog)
    key = "" if catalog.entity.type == "string" else 0
    feature = catalog.features[0]
    ask = {"features": [f"{feature.view}:{feature.name}"], "entities": {catalog.entity.key: [key]}}
    asked("http://127.0.0.1:6566/get-online-features", ask)
    urllib.request.urlopen("http://127.0.0.1:8888/", timeout=TIMEOUT_S).close()
    return []


def api() -> list[str]:
    """Reasons that a new stack has are none of the container's."""
    try:
        asked("http://127.0.0.1:8000/ready")
    except urllib.error.HTTPError as error:
        return [reason for reason in json.load(error)["reasons"] if reason.startswith("database")]
    return []


def console() -> list[str]:
    """It says no more to whoever has no key."""
    urllib.request.urlopen("http://127.0.0.1:8400/health", timeout=TIMEOUT_S).close()
    return []


CHECKS = {"mlflow": mlflow, "prefect": prefect, "feast": feast, "api": api, "console": console}

if __name__ == "__main__":
    wrong = CHECKS[sys.argv[1]]()
    print("; ".join(wrong) or "ok")
    sys.exit(bool(wrong))
