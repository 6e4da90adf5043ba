"""Run one job in a process of its own, which talks to the console by lines of JSON.

The console writes the order to the input of the process. The process writes each message to its
output. A console that stops ends the process. If the console is killed, the job still runs to its
end, and its end is recorded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TextIO

from streamflow.console.jobs import LOOK_AND_RETRY, JobOrder, Message, describe_unforeseen
from streamflow.console.work import do_work
from streamflow.errors import StreamflowError
from streamflow.packages import explain_missing_package
from streamflow.platform import open_platform
from streamflow.receipt import to_json
from streamflow.settings import inherited_environment, load_settings
from streamflow.steps.lineage.observer import StepReporter

END_WAIT_S = 5.0
COMMAND = (sys.executable, "-P", "-m", "streamflow.console.job_process")


class ChildProcesses:
    """Starts the processes of jobs, and ends them when the console ends.

    A process gets the environment that this process has when the object is made. Make it before a
    platform is opened: the platform sets MLFLOW_TRACKING_URI and others, and a setting reads them.

    Args:
        flags: the settings that the console was started with, as text.
        command: the command line of the process.
    """

    def __init__(self, flags: Mapping[str, str], command: Sequence[str] = COMMAND) -> None:
        self._flags = dict(flags)
        self._command = list(command)
        self._environment = inherited_environment()
        self._running: subprocess.Popen[str] | None = None

    def launch(self, order: JobOrder, on_message: Callable[[Message], None]) -> None:
        """Run an order in a new process, and pass on its messages until it ends."""
        text = json.dumps({"flags": self._flags, "order": order.values})
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            start_new_session=True,
        )
        self._running = process
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            # A process that ends before it reads its order is noticed by its code.
            with suppress(BrokenPipeError):
                process.stdin.write(text)
                process.stdin.close()
            for line in process.stdout:
                on_message(json.loads(line))
        self._running = None
        if process.returncode not in (0, StreamflowError.exit_code):
            end = _describe_end(process.returncode)
            on_message({"problem": end, "remedy": LOOK_AND_RETRY, "unforeseen": end})

    def close(self) -> None:
        """End the process that is running; it has some seconds to record that it was ended."""
        process = self._running
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _describe_end(code: int) -> str:
    """Say how a process ended that gave no result; a negative code is a signal."""
    if code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended with code {code}"


def main() -> None:
    """Read an order, do its work, and write what happens."""
    values = json.loads(sys.stdin.read())
    order = JobOrder(**values["order"])
    messages_stream = sys.stdout.fileno()
    with os.fdopen(os.dup(messages_stream), "w", encoding="utf-8") as messages:
        # What a library, or a program that it calls, prints must not be taken for a message.
        sys.stdout = sys.stderr
        os.dup2(sys.stderr.fileno(), messages_stream)
        is_done = _run(values["flags"], order, partial(_write_line, messages))
    sys.exit(0 if is_done else StreamflowError.exit_code)


def _run(
    flags: Mapping[str, str],
    order: JobOrder,
    send: Callable[[Message], None],
) -> bool:
    """Do the work of an order, and send what happens; return whether it was done."""
    try:
        settings = load_settings(**flags)
        with open_platform(
            settings,
            notify=lambda line: send({"line": line}),
            observer=StepReporter(),
        ) as platform:
            receipt = do_work(platform, order)
            send({"receipt": json.loads(to_json(receipt))})
    except StreamflowError as error:
        send(_describe_problem(error))
        return False
    except ModuleNotFoundError as error:
        # The pages need fewer packages than the work that is started from them.
        explained = explain_missing_package(error, at_least="train")
        unexplained = describe_unforeseen(error)
        send(unexplained if explained is None else _describe_problem(explained))
        return False
    except Exception as error:  # noqa: BLE001  # the console logs it
        send(describe_unforeseen(error))
        return False
    except KeyboardInterrupt:
        send({"problem": "the console was stopped", "remedy": "Start it and the work again."})
        return False
    return True


def _describe_problem(error: StreamflowError) -> Message:
    """Return the message that says why a job failed, and what to do."""
    sentences = (error.message.rstrip("."), error.state)
    return {"problem": ". ".join(filter(None, sentences)), "remedy": error.remedy}


def _write_line(messages: TextIO, message: Message) -> None:
    """Write a message; without a console nobody reads it, and the work goes on."""
    with suppress(BrokenPipeError):
        print(json.dumps(message), file=messages, flush=True)


if __name__ == "__main__":
    # As Ctrl-C ends a command: what was begun is rolled back, and the end is recorded.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
