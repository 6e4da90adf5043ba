"""Write the configuration file of supervisord for one stack.

Each service gets a pipe as its standard input, and supervisord holds the other end. When
supervisord is gone, the parent watch of the service sees the end of the pipe and stops it.

Nothing secret is written: the services inherit the environment. No path of the user is written
either, because supervisor would read a % in it as an expansion and a # as a comment. For this
reason supervisord runs in the folder of the logs, and an environment variable names the folder
in which the services run.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from streamflow.services.processes import watched_command
from streamflow.services.programs import Program
from streamflow.services.running_stack import Stack, run_folder, socket_path

# supervisor stops the members of a group at the same time, and the groups one after the other.
GROUP = "streamflow"
# The worker is its own group. It stops first, because it signs off at Prefect's server.
FIRST_TO_STOP = "worker"
FOLDER_VARIABLE = "UP_FROM"  # names the folder in which the services run
HEAD = """
[supervisord]
nodaemon = true
silent = true
nocleanup = true
logfile = supervisor.log
logfile_maxbytes = 5MB
logfile_backups = 1
pidfile = ../run/supervisord.pid
"""
RPC = """
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[rpcinterface:streamflow]
supervisor.rpcinterface_factory = streamflow.services.restart_counter:make
"""
# A program that ends before `startsecs` is started again after 1, 2, 3 … s. A program that ends
# later is started again at once. supervisord never gives up.
PROGRAM = """
[program:{name}]
command = {command}
environment = {environment}
directory = %(ENV_{folder})s
autostart = false
autorestart = true
startsecs = 10
startretries = 1000000
stopwaitsecs = 10
killasgroup = true
redirect_stderr = true
strip_ansi = true
stdout_logfile = {name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""


def process_name(service: str) -> str:
    """Return the name by which supervisord knows a service, with its group."""
    return service if service == FIRST_TO_STOP else f"{GROUP}:{service}"


def write_configuration(home: Path, stack: Stack) -> Path:
    """Write the configuration of supervisord for this stack, and return its path."""
    # Without this line, supervisord warns at each start as root.
    user = f"user = {os.geteuid()}\n" if os.geteuid() == 0 else ""
    members = [program.name for program in stack.programs if program.name != FIRST_TO_STOP]
    group = ""
    if members:
        group = f"[group:{GROUP}]\nprograms = {','.join(members)}\npriority = 1\n"
    programs = [_program_section(program, stack) for program in stack.programs]
    sections = [HEAD, user, _server_section(home), RPC, group, *programs]
    path = run_folder(home) / "supervisord.conf"
    path.write_text("".join(sections), encoding="utf-8")
    return path


def _server_section(home: Path) -> str:
    """Return the section that names the socket, with a relative path if it is below the home."""
    socket = socket_path(home)
    is_below = socket.is_relative_to(home)
    path = os.path.relpath(socket, home / "logs") if is_below else str(socket)
    escaped_path = path.replace("%", "%%")
    return f"[unix_http_server]\nfile = {escaped_path}\nchmod = 0700\n"


def _program_section(program: Program, stack: Stack) -> str:
    """Return the section of one service."""
    port = stack.ports[program.name]
    arguments = program.arguments.format(host=stack.host, port=port).split()
    command = shlex.join(watched_command([sys.executable, "-P", *arguments], pipe=0))
    # Vendors start Python, too: see -P.
    variables = {"PYTHONSAFEPATH": "1"}
    if stack.prefect_url:
        variables["PREFECT_API_URL"] = stack.prefect_url
    if "mlflow" in stack.ports:
        variables["STREAMFLOW_MLFLOW_PORT"] = str(stack.ports["mlflow"])
    environment = ",".join(f'{name}="{_escape(value)}"' for name, value in variables.items())
    return PROGRAM.format(
        name=program.name,
        folder=FOLDER_VARIABLE,
        command=_escape(command),
        environment=environment,
    )


def _escape(text: str) -> str:
    """Escape a command line for the configuration file.

    A % begins an expansion. A blank before ; or # begins a comment, unless quotes stand between.
    """
    return text.replace("%", "%%").replace(" ;", " '';").replace(" #", " ''#")
