"""The services of the stack: what runs each, where it listens, and how one sees that it is well."""

from __future__ import annotations

from dataclasses import dataclass

EXEC = "-m streamflow exec --"  # a vendor's command, with PostgreSQL up and the variables set


@dataclass(frozen=True, kw_only=True)
class Program:
    """One service. `words` are Python's arguments; {host} and {port} in them stand for where it listens."""

    name: str
    words: str
    port: str = ""  # the setting that names its port; "" where it listens on none
    health: str = ""  # the path that answers with 200 when it is well
    page: str = ""  # where a person begins
    database: bool = True  # whether it works on PostgreSQL


PROGRAMS = (  # in the order in which they start
    Program(name="prefect", words="-m prefect server start --host {host} --port {port}", port="prefect_port",
            health="/api/health", database=False),
    Program(name="postgres", words="-m streamflow.services.postgres"),
    Program(name="mlflow", words=f"{EXEC} mlflow server --host {{host}} --port {{port}} --workers 1", port="mlflow_port",
            health="/health"),
    Program(name="feast", words=f"{EXEC} feast serve --host {{host}} --port {{port}} --no-access-log", port="feast_port",
            health="/health", page="/docs"),
    Program(name="feast-ui", words=f"{EXEC} feast ui --host {{host}} --port {{port}}", port="feast_ui_port",
            health="/health"),
    Program(name="api", words="-m streamflow serve --host {host} --port {port}", port="api_port", health="/health", page="/docs"),
    Program(name="worker", words="-m streamflow worker", database=False),
    Program(name="reconcile", words="-m streamflow reconcile --every 5"),
)  # fmt: skip
BY_NAME = {program.name: program for program in PROGRAMS}
