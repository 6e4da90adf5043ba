"""Run the commands of a page about Kubernetes without a cluster.

- `helm`: `template` and `install` render the chart; `upgrade` needs a cluster, so the chart is
  rendered with the same arguments.
- `kubectl create` makes its object, and sends it nowhere.
- `kubectl exec`, `cp` and `wait` name objects: these have to be in what the chart renders from the
  values of the page. A command in a container runs in the installation of the test, and a folder of
  a container is one below `pod`.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import kubernetes_validate
import yaml

from support.chart import NAMESPACE, Pod, find_helm, template

if TYPE_CHECKING:
    from support.page_blocks import Reader

CLUSTER = re.compile(r"(?:kubectl|helm) ")
VALUES = "values.yaml"


def run_without_cluster(reader: Reader, text: str) -> tuple[str, int]:
    """Run a command of `kubectl` or `helm`. Return what it prints, and its exit code."""
    program, *arguments = shlex.split(text)
    if program == "helm":
        return _run_helm(reader, arguments)
    if arguments[0] == "-n":
        assert arguments[1] == NAMESPACE
        arguments = arguments[2:]
    verb, *rest = arguments
    return {"create": _create, "exec": _execute, "cp": _copy, "wait": _wait}[verb](reader, rest)


def _run_helm(reader: Reader, arguments: list[str]) -> tuple[str, int]:
    changed = ["template" if word in ("install", "upgrade") else word for word in arguments]
    return reader.shell(shlex.join([find_helm(), *changed]))


def _create(reader: Reader, arguments: list[str]) -> tuple[str, int]:
    """Make the object, and check it with the schemas of Kubernetes."""
    command = ["kubectl", "create", *arguments, "--dry-run=client", "--output=yaml"]
    output, code = reader.shell(shlex.join(command))
    if code == 0:
        document = yaml.safe_load(output)
        del document["metadata"]["creationTimestamp"]  # null: the server sets it
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        if document["kind"] in ("Secret", "ConfigMap"):
            # The chart finds it by this name.
            assert document["metadata"]["name"] in template(reader.session.folder / VALUES).text
    return "", code


def _execute(reader: Reader, arguments: list[str]) -> tuple[str, int]:
    target, mark, *command = arguments
    kind, _, name = target.partition("/")
    assert (kind, mark) == ("deploy", "--")
    _find_pod(reader, name)
    return reader.run(shlex.join(_in_folder(reader, word) for word in command))


def _copy(reader: Reader, arguments: list[str]) -> tuple[str, int]:
    source, target = arguments
    pod_name, _, path = target.partition(":")
    pod = _find_pod(reader, pod_name.removesuffix("-…"))
    mounts = [mount["mountPath"] for mount in pod.container["volumeMounts"]]
    assert any(path.startswith(f"{mount}/") for mount in mounts), mounts
    place = reader.session.folder / _in_folder(reader, path)
    shutil.copytree(reader.session.folder / source, place)
    return "", 0


def _wait(reader: Reader, arguments: list[str]) -> tuple[str, int]:
    """Check that the selector takes all pods of the release, but not that of the job."""
    selector = arguments[arguments.index("--selector") + 1]
    terms = [re.fullmatch(r"([\w./-]+?)(!?=)([\w-]+)", term) for term in selector.split(",")]
    selected = {
        service
        for service, pod in template(reader.session.folder / VALUES).pods.items()
        if all(term and (pod.labels[term[1]] == term[3]) == (term[2] == "=") for term in terms)
    }
    assert selected == {"api", "console", "mlflow", "prefect", "feast"}
    return "", 0


def _find_pod(reader: Reader, deployment: str) -> Pod:
    pods = template(reader.session.folder / VALUES).pods.values()
    (pod,) = [pod for pod in pods if (pod.kind, pod.owner) == ("Deployment", deployment)]
    return pod


def _in_folder(reader: Reader, word: str) -> str:
    """Return a path of a container as one of the test; other words stay."""
    if not word.startswith("/data/"):
        return word
    path = reader.session.folder / "pod" / Path(word).relative_to("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path)
