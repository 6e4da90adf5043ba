"""The services of the stack: what runs each, where it listens, and how its health is checked."""

from __future__ import annotations

from dataclasses import dataclass

# Runs a vendor's command when PostgreSQL is up, with the variables set.
EXEC = "-m streamflow exec --"


@dataclass(frozen=True, kw_only=True)
class Program:
    """One service of the stack, and how it is run.

    Attributes:
        arguments: The arguments of Python. {host} and {port} stand for where it listens.
        port: The name of the setting with its port; "" for a service that listens on no port.
        health: The path that answers with status 200 when the service is well.
        page: The path at which a person begins.
        database: Whether the service works on PostgreSQL.
    """

    name: str
    arguments: str
    port: str = ""
    health: str = ""
    page: str = ""
    database: bool = True


# The services stand in the order in which they start.
PROGRAMS = (
    Program(
        name="prefect",
        arguments="-m prefect server start --host {host} --port {port}",
        port="prefect_port",
        health="/api/health",
        database=False,
    ),
    Program(name="postgres", arguments="-m streamflow.services.postgres"),
    Program(
        name="mlflow",
        # With this application, clients on different machines reach the files, too.
        arguments=f"{EXEC} mlflow server --host {{host}} --port {{port}} --workers 1"
        " --app-name streamflow",
        port="mlflow_port",
        health="/health",
    ),
    Program(
        name="feast",
        arguments=f"{EXEC} feast serve --host {{host}} --port {{port}} --no-access-log",
        port="feast_port",
        health="/health",
        page="/docs",
    ),
    Program(
        name="feast-ui",
        arguments=f"{EXEC} feast ui --host {{host}} --port {{port}}",
        port="feast_ui_port",
        health="/health",
    ),
    Program(
        name="api",
        arguments="-m streamflow serve --host {host} --port {port}",
        port="api_port",
        health="/health",
        page="/docs",
    ),
    Program(
        name="console",
        arguments="-m streamflow console --host {host} --port {port}",
        port="console_port",
        health="/health",
    ),
    Program(name="worker", arguments="-m streamflow worker", database=False),
    Program(name="reconcile", arguments="-m streamflow reconcile --every 5"),
)
PROGRAMS_BY_NAME = {program.name: program for program in PROGRAMS}
