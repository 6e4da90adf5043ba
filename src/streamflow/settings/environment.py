"""The environment of this process, for child processes and for vendors that read it themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from streamflow.settings.fields import PREFIX

# How the variables begin that name an installation, a server, or other code.
INSTALLATION_PREFIXES = (PREFIX, "PG", "MLFLOW_", "PREFECT_", "FEATURE_REPO_", "PYTHON")


def inherited_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for a child process."""
    return dict(os.environ)


def object_store_options() -> dict[str, str]:
    """Return the address and the region of the object store, as PyIceberg names them.

    They come from the variables that the tools of AWS read. Arrow reads the credentials itself.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options = {"s3.region": region or "us-east-1"}
    if endpoint:
        options["s3.endpoint"] = endpoint
    return options


def clean_environment() -> dict[str, str]:
    """Return a copy of this process's environment without the variables of an installation.

    It is for a child process that must find its own installation, servers and code.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(INSTALLATION_PREFIXES)
    }


@contextmanager
def temporary_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that vendors (libpq, MLflow, Feast, Prefect) read themselves.

    At the end each variable has its former value again, or is unset again.
    """
    former_values = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former_values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
