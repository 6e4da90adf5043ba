"""Render the chart for Kubernetes, and read what was rendered. No cluster is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/streamflow"
RELEASE = "churn"  # the name of the release in all tests
NAMESPACE = "retention"
POD_ADDRESS = "10.1.2.3"  # what a test puts in the place of the address of a pod
# The values that `make chart` renders.
MINIMAL = CHART / "ci/minimal-values.yaml"
EVERYTHING = CHART / "ci/everything-values.yaml"

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The pod that a Deployment or the job makes."""

    owner: str
    kind: str
    labels: dict[str, str]
    spec: dict[str, Any]

    @property
    def service(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def container(self) -> dict[str, Any]:
        (container,) = self.spec["containers"]
        assert container["name"] == self.service
        return dict(container)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of the container, with the references that Kubernetes resolves."""
        resolved: dict[str, str] = {}
        for entry in self.container["env"]:
            if "valueFrom" in entry:
                assert entry["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
                resolved[entry["name"]] = POD_ADDRESS
                continue
            text = entry["value"]
            for name, value in resolved.items():
                text = text.replace(f"$({name})", value)
            assert "$(" not in text
            resolved[entry["name"]] = text
        return resolved


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What the chart renders from some values."""

    text: str
    documents: tuple[Document, ...]

    def of_kind(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] == kind]

    @property
    def pods(self) -> dict[str, Pod]:
        """Return service -> pod, the job `migrate` included."""
        return {pod.service: pod for pod in self._read_pods()}

    def _read_pods(self) -> Iterator[Pod]:
        for document in self.of_kind("Deployment") + self.of_kind("Job"):
            template = document["spec"]["template"]
            yield Pod(
                owner=document["metadata"]["name"],
                kind=document["kind"],
                labels=template["metadata"]["labels"],
                spec=template["spec"],
            )


def find_helm() -> str:
    """Return the path of helm, the pinned one if it is there; skip the test if there is none."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    helm = shutil.which("helm", path=folders)
    if helm is None:
        pytest.skip("helm is absent: `make .venv/bin/helm` unpacks it on Linux on x86-64")
    return helm


def run_helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm, or skip the test if there is none."""
    command = [find_helm(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def template(*values: Path, release: str = RELEASE, **overrides: object) -> Rendered:
    """Render the chart.

    Args:
        values: the files of values, the last one wins.
        release: the name of the release.
        overrides: values that win over the files; `a__b=1` is the value a.b.
    """
    done = run_template(*values, release=release, **overrides)
    assert done.returncode == 0, done.stderr
    documents = tuple(
        document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document
    )
    return Rendered(text=done.stdout, documents=documents)


def run_template(
    *values: Path, release: str = RELEASE, **overrides: object
) -> subprocess.CompletedProcess[str]:
    """Run `helm template`, also where it fails. The arguments are those of `template`."""
    flags = [f"--values={path}" for path in values]
    for name, value in overrides.items():
        flags.append(f"--set-json={name.replace('__', '.')}={json.dumps(value)}")
    return run_helm("template", release, str(CHART), f"--namespace={NAMESPACE}", *flags)


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Return whether a label selector selects an object with these labels."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    has_labels = selector.get("matchLabels", {}).items() <= labels.items()
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        has_labels = has_labels and labels.get(expression["key"]) in expression["values"]
    return has_labels


def allowed_connections(rendered: Rendered) -> set[tuple[str, str, int]]:
    """Return each (source, target, port) that the policies allow between pods of the release."""
    pods = rendered.pods
    return {
        (source, target, port)
        for source in pods
        for target in pods
        for port in (8000, 8400, 5000, 4200, 6566, 8888)
        if _allows(rendered, "Egress", pods[source], pods[target], port)
        and _allows(rendered, "Ingress", pods[target], pods[source], port)
    }


def _allows(rendered: Rendered, direction: str, own: Pod, peer: Pod, port: int) -> bool:
    """Return whether the policies of a pod allow one direction of a connection with a peer."""
    rules, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    is_closed = False
    for policy in rendered.of_kind("NetworkPolicy"):
        spec = policy["spec"]
        if direction not in spec["policyTypes"] or not selects(spec["podSelector"], own.labels):
            continue
        is_closed = True
        for rule in spec.get(rules, ()):
            has_port = "ports" not in rule or port in [entry["port"] for entry in rule["ports"]]
            if has_port and (peers not in rule or _has_peer(rule[peers], peer)):
                return True
    return not is_closed


def _has_peer(entries: list[Document], peer: Pod) -> bool:
    """Return whether one of the peers of a rule is this pod of the same namespace."""
    return any(
        entry.keys() == {"podSelector"} and selects(entry["podSelector"], peer.labels)
        for entry in entries
    )
