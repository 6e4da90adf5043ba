"""The chart for Kubernetes: what it refuses, and what it renders. No cluster runs it here."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from support.chart import (
    CHART,
    EVERYTHING,
    MINIMAL,
    NAMESPACE,
    POD_ADDRESS,
    RELEASE,
    ROOT,
    Document,
    Pod,
    Rendered,
    allowed_connections,
    run_helm,
    run_template,
    selects,
    template,
)
from support.console import agrees, comparable, read_blocks
from typer.testing import CliRunner
from yamllint import linter
from yamllint.config import YamlLintConfig

import streamflow
from streamflow.cli.app import app
from streamflow.errors import SettingsInvalid
from streamflow.services.programs import PROGRAMS_BY_NAME
from streamflow.settings import Settings, load_settings
from streamflow.steps.upkeep.doctor.machine import check_home
from streamflow.web.host_check import allowed_hosts

# The oldest Kubernetes of Chart.yaml, and the newest one whose schemas are installed.
KUBERNETES_VERSIONS = ("1.27", kubernetes_validate.latest_version())
DUPLICATES = YamlLintConfig("rules: {key-duplicates: enable}")
PORTS = {
    "api": {8000},
    "console": {8400},
    "mlflow": {5000},
    "prefect": {4200},
    "feast": {6566, 8888},
}
# The variables that compose.yaml does not need, and why.
ADDITIONAL = {
    "POD_IP",  # a scraper and a probe name the address of the pod as the host
    "STREAMFLOW_HOME",  # everybody may write to a mounted folder, so it lies below one
    "PGSSLMODE",  # the server is not in the same machine
    "STREAMFLOW_MLFLOW_DATABASE",  # the server is somebody else's, and so are the names
}
# Variables whose values name different hosts in compose.yaml than in a cluster.
OF_THE_PLACE = {
    "PGHOST",
    "STREAMFLOW_MLFLOW_TRACKING_URI",
    "STREAMFLOW_API_ALLOWED_HOSTS",
    "STREAMFLOW_API_ADDRESS",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "PREFECT_API_URL",
}


# The console asks the API what it counts.
CONSOLE_PODS = {
    "key": "app.kubernetes.io/component",
    "operator": "In",
    "values": ["console"],
}


@pytest.fixture(scope="module")
def minimal() -> Rendered:
    return template(MINIMAL)


@pytest.fixture(scope="module")
def everything() -> Rendered:
    return template(EVERYTHING)


@pytest.fixture(params=["minimal", "everything"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    chosen = request.getfixturevalue(request.param)
    assert isinstance(chosen, Rendered)
    return chosen


def compose_services() -> dict[str, Any]:
    """Return the services of compose.yaml that run our image for good."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    return {
        name: service
        for name, service in services.items()
        if service["image"].startswith("streamflow:") and name != "init"
    }


def image_variables() -> dict[str, str]:
    """Return the variables that the image sets, but for PATH."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    block = dockerfile.split("\nENV ")[1].split("\nUSER")[0]
    variables = dict(re.findall(r"(\w+)=(\S+)", block))
    del variables["PATH"]
    return variables


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """Give this process the variables of a container, and none of its own installation."""
    for name in list(os.environ):
        if name.startswith(("STREAMFLOW_", "PG", "MLFLOW_", "PREFECT_")):
            monkeypatch.delenv(name)
    for name, value in (image_variables() | variables).items():
        if name.startswith(("STREAMFLOW_", "PG", "MLFLOW_", "PREFECT_", "POD_")):
            monkeypatch.setenv(name, value)


def test_without_values_each_missing_value_is_named_and_nothing_is_rendered() -> None:
    done = run_template()
    assert done.returncode != 0
    assert done.stdout == ""
    assert re.findall(r"^  - ([\w.]+)", done.stderr, flags=re.MULTILINE) == [
        "image.repository",
        "image.tag",
        "postgresql.host",
        "postgresql.secret.name",
        "artifacts",
    ]
    assert "there is no default password" in done.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"image__tag": ""}, "image.tag or image.digest: name one of them"),
        ({"postgresql__secret__name": ""}, "there is no default password"),
        ({"postgresql__sslMode": "verify-full"}, "sslMode verify-full needs an existing secret"),
        ({"artifacts__destination": "s3://b/c"}, "a destination or a volume, not both"),
        ({"artifacts__volume__size": ""}, "name a destination .an object store., or a volume"),
        ({"artifacts__secret": "store"}, "artifacts.destination is empty"),
        ({"api__autoscaling__minReplicas": 9}, "minReplicas is greater than maxReplicas"),
        ({"ingress__enabled": True}, "name a host for the api, for the console, or for both"),
        (
            {"ingress__enabled": True, "ingress__api__host": "a.example.com"},
            r"(?s)ingress.api.tlsSecret: .* of a.example.com.*api.allowFrom: name the ingress",
        ),
        (
            {
                "ingress__enabled": True,
                "ingress__console__host": "a.example.com",
                "console__enabled": False,
            },
            "the console is not enabled",
        ),
        ({"api__auth": True}, "/api/auth"),  # `on` without quotation marks
        ({"api__repicas": 3}, "additional properties 'repicas' not allowed"),
        ({"image__digest": "sha256:short"}, "/image/digest"),
        ({"settings": {"home": "/elsewhere"}}, "invalid propertyName 'home'"),
        ({"settings": {"train_figures": True}}, "/settings/train_figures"),
        ({"postgresql__password": "secret"}, "additional properties 'password' not allowed"),
    ],
)
def test_a_mistake_in_the_values_is_named(overrides: dict[str, object], message: str) -> None:
    done = run_template(MINIMAL, **overrides)
    assert done.returncode != 0
    assert done.stdout == ""
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize("values", [None, MINIMAL, EVERYTHING])
def test_helm_lint_finds_nothing(values: Path | None) -> None:
    flags = [f"--values={values}"] if values else []
    done = run_helm("lint", "--strict", str(CHART), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_each_document_is_one_of_kubernetes(rendered: Rendered, version: str) -> None:
    for document in rendered.documents:
        kubernetes_validate.validate(document, version, strict=True)
    names = [(document["kind"], document["metadata"]["name"]) for document in rendered.documents]
    assert len(set(names)) == len(names)
    assert {document["metadata"]["namespace"] for document in rendered.documents} == {NAMESPACE}


def test_no_key_stands_twice(rendered: Rendered) -> None:
    texts = [rendered.text, (CHART / "values.yaml").read_text(encoding="utf-8")]
    assert [str(problem) for text in texts for problem in linter.run(text, DUPLICATES)] == []
    twice = "a: 1\nb: 2\na: 3\n"
    assert len(list(linter.run(twice, DUPLICATES))) == 1


def test_each_value_is_in_the_schema_and_has_a_default() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)

    def compare(place: str, entry: Document, value: Any) -> None:
        if "$ref" in entry:
            entry = schema["$defs"][entry["$ref"].rpartition("/")[2]]
        if "properties" not in entry:
            return
        assert entry["additionalProperties"] is False, place
        assert entry["properties"].keys() == value.keys(), place
        for name, part in entry["properties"].items():
            compare(f"{place}.{name}", part, value[name])

    del schema["properties"]["global"]  # Helm gives it to a chart inside of another chart
    compare("values", schema, values)
    hidden = schema["properties"]["settings"]["propertyNames"]["not"]["enum"]
    assert set(hidden) <= Settings.model_fields.keys()


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert {chart["version"], chart["appVersion"]} == {streamflow.__version__}
    assert chart["kubeVersion"] == f">={KUBERNETES_VERSIONS[0]}.0-0"


def test_each_service_of_compose_has_one_deployment(minimal: Rendered) -> None:
    owners = {pod.service: pod.owner for pod in minimal.pods.values() if pod.kind == "Deployment"}
    assert owners == {name: f"{RELEASE}-streamflow-{name}" for name in compose_services()}
    assert {pod.service for pod in minimal.pods.values() if pod.kind == "Job"} == {"migrate"}


@pytest.mark.parametrize("service", sorted(PORTS))
def test_a_service_is_run_as_compose_runs_it(minimal: Rendered, service: str) -> None:
    composed = compose_services()[service]
    container = minimal.pods[service].container
    assert container["command"] == composed["command"]
    ports = {int(port.rpartition(":")[2]) for port in composed["ports"]}
    assert {port["containerPort"] for port in container["ports"]} == ports == PORTS[service]
    limit = composed["mem_limit"]
    expected = f"{limit[:-1]}{limit[-1].upper()}i"
    assert container["resources"]["limits"]["memory"] == expected


@pytest.mark.parametrize("service", sorted(PORTS))
def test_a_service_has_the_variables_that_compose_gives_it(minimal: Rendered, service: str) -> None:
    composed = compose_services()[service]["environment"]
    variables = minimal.pods[service].variables
    additional = variables.keys() - composed.keys()
    assert composed.keys() <= variables.keys()
    assert additional <= ADDITIONAL
    for name, value in composed.items():
        if name not in OF_THE_PLACE and "$" not in value:
            assert variables[name] == value, name


@pytest.mark.parametrize("service", sorted(PORTS))
def test_a_service_is_probed_as_compose_checks_it(minimal: Rendered, service: str) -> None:
    check = compose_services()[service]["healthcheck"]
    container = minimal.pods[service].container
    startup = container["startupProbe"]
    readiness = container["readinessProbe"]
    for probe in (startup, readiness):
        assert probe["exec"]["command"] == check["test"][1:]
        assert f"{probe['periodSeconds']}s" == check["interval"]
        assert f"{probe['timeoutSeconds']}s" == check["timeout"]
    assert readiness["failureThreshold"] == check["retries"]
    tries = startup["failureThreshold"] - check["retries"]
    assert f"{tries * startup['periodSeconds']}s" == check["start_period"]
    alive = container["livenessProbe"]["httpGet"]
    program = PROGRAMS_BY_NAME[service]
    assert alive["path"] == program.health
    assert alive["port"] in PORTS[service]


def test_a_probe_names_a_host_that_the_service_knows(everything: Rendered) -> None:
    container = everything.pods["api"].container
    for name in ("readinessProbe", "livenessProbe"):
        headers = {
            header["name"]: header["value"] for header in container[name]["httpGet"]["httpHeaders"]
        }
        assert headers["Host"].partition(":")[0] == "localhost"
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert "localhost" in allowed_hosts("0.0.0.0", ())  # noqa: S104  # as the command says


def test_the_checks_and_the_folders_are_in_the_image(rendered: Rendered) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "\nCOPY deploy/docker /opt/streamflow/deploy\n" in dockerfile
    for pod in rendered.pods.values():
        mounts = {mount["mountPath"] for mount in pod.container["volumeMounts"]}
        assert mounts >= {"/tmp", "/state", "/secrets"}  # noqa: S108  # of the container
        assert {image_variables()[name] for name in ("HOME", "MPLCONFIGDIR")} <= mounts
        volumes = {volume["name"] for volume in pod.spec["volumes"]}
        containers = [pod.container, *pod.spec["initContainers"]]
        mounted = {mount["name"] for part in containers for mount in part["volumeMounts"]}
        assert mounted == volumes
        for path in re.findall(r"/opt/streamflow/deploy/([\w.]+)", str(pod.spec)):
            assert (ROOT / "deploy/docker" / path).is_file()


@pytest.mark.parametrize("service", [*sorted(PORTS), "migrate"])
def test_the_rendered_variables_are_settings_that_streamflow_knows(
    rendered: Rendered, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, rendered.pods[service].variables)
    settings = load_settings()
    assert settings.home == Path("/state/home")
    assert settings.database_url is not None
    given = {name for name in Settings.model_fields if settings.origin(name) != "default"}
    variables = [
        name for name in rendered.pods[service].variables if name.startswith("STREAMFLOW_")
    ]
    assert len(given) == len(variables)
    if service == "api":
        hosts = allowed_hosts("0.0.0.0", settings.api_allowed_hosts)  # noqa: S104
        name = f"{RELEASE}-streamflow-api"
        names = {name, f"{name}.{NAMESPACE}", f"{name}.{NAMESPACE}.svc", POD_ADDRESS}
        assert set(hosts) >= {*names, f"{name}.{NAMESPACE}.svc.cluster.local"}


def test_the_values_of_settings_arrive_unchanged(
    everything: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pod in everything.pods.values():
        set_environment(monkeypatch, pod.variables)
        settings = load_settings()
        assert settings.seed == 7
        assert settings.api_max_body == 2097152  # Helm alone would write 2.097152e+06
        assert settings.drift_psi == 0.2
        assert settings.train_figures is False
        assert settings.api_trial == "off"
        assert settings.catalog == Path("/etc/streamflow/catalog/catalog.toml")


@pytest.mark.parametrize("service", [*sorted(PORTS), "migrate"])
def test_streamflow_understands_the_command(
    everything: Rendered, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *arguments = everything.pods[service].container["command"]
    assert program == "streamflow"
    if arguments[0] == "exec":
        assert arguments[1:3] == ["--", "mlflow"]
        arguments = arguments[:1]
    if arguments[0] == "up":
        names = arguments[1 : arguments.index("--host")]
        assert set(names) <= PROGRAMS_BY_NAME.keys()
    set_environment(monkeypatch, everything.pods[service].variables)
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0, result.output
    mistaken = CliRunner().invoke(app, [arguments[0], "--no-such-flag", "--help"])
    assert mistaken.exit_code == (0 if arguments[0] == "exec" else 2)


def test_variables_of_kubernetes_for_services_would_be_read_as_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So no pod may have them."""
    rendered = template(MINIMAL, release="streamflow")
    set_environment(monkeypatch, rendered.pods["api"].variables)
    load_settings()
    assert "streamflow-api" in [
        document["metadata"]["name"] for document in rendered.of_kind("Service")
    ]
    monkeypatch.setenv("STREAMFLOW_API_PORT", "tcp://10.2.3.4:8000")
    with pytest.raises(SettingsInvalid, match="api_port"):
        load_settings()
    for pod in rendered.pods.values():
        assert pod.spec["enableServiceLinks"] is False


def test_every_container_has_no_right_and_a_root_that_nobody_writes(rendered: Rendered) -> None:
    for pod in rendered.pods.values():
        assert pod.spec["automountServiceAccountToken"] is False
        rights = pod.spec["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert (rights["runAsUser"], rights["runAsGroup"], rights["fsGroup"]) == (10001,) * 3
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod.spec["containers"], *pod.spec["initContainers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"requests", "limits"} <= container["resources"].keys()
    assert "--uid 10001" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_no_password_is_rendered_and_each_secret_exists_before(rendered: Rendered) -> None:
    assert rendered.of_kind("Secret") == []
    assert rendered.of_kind("ServiceAccount") == []
    for pod in rendered.pods.values():
        assert not [name for name in pod.variables if "PASSWORD" in name]
        assert pod.variables["PGPASSFILE"] == "/secrets/pgpass"


def test_the_first_container_prepares_files_that_only_we_can_read_or_write(
    minimal: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers = [pod.spec["initContainers"][0] for pod in minimal.pods.values()]
    for folder in ("run/secrets/postgresql", "secrets", "state"):
        (tmp_path / folder).mkdir(parents=True)
    # So does Kubernetes mount a volume.
    (tmp_path / "state").chmod(0o2777)
    (tmp_path / "run/secrets/postgresql/pgpass").write_text("*:*:*:streamflow:x")
    (command,) = {container["command"][2] for container in containers}
    here = re.sub(r" /(run|secrets|state)", rf" {tmp_path}/\1", command)
    for _ in range(2):  # the second time the pod starts anew, with its volume
        subprocess.run(["/bin/sh", "-c", here], check=True)
    assert stat.S_IMODE((tmp_path / "secrets/pgpass").stat().st_mode) == 0o600
    assert minimal.pods["api"].variables["STREAMFLOW_HOME"] == "/state/home"
    monkeypatch.setenv("STREAMFLOW_HOME", str(tmp_path / "state/home"))
    assert check_home(load_settings()).state == "ok"
    monkeypatch.setenv("STREAMFLOW_HOME", str(tmp_path / "state"))
    assert check_home(load_settings()).is_wrong


def test_the_object_store_is_for_mlflow_alone(everything: Rendered) -> None:
    mlflow = everything.pods["mlflow"].container
    assert mlflow["command"][-1] == "s3://bucket/churn"
    assert list_services_with_secret(everything, "object-store") == {"mlflow"}


def test_secret_settings_are_for_the_services_that_promote(
    everything: Rendered, minimal: Rendered
) -> None:
    services = list_services_with_secret(everything, "streamflow-settings")
    assert services == {"prefect", "console"}
    assert not any("envFrom" in pod.container for pod in minimal.pods.values())


def list_services_with_secret(rendered: Rendered, secret: str) -> set[str]:
    """Return the services whose variables come from a secret."""
    source = {"secretRef": {"name": secret}}
    return {
        name for name, pod in rendered.pods.items() if source in pod.container.get("envFrom", ())
    }


def test_mlflow_and_the_worker_have_the_same_volume_of_artifacts(minimal: Rendered) -> None:
    places = {"mlflow": "/state/artifacts", "prefect": "/state/home/artifacts"}
    claims = [claim_of(minimal.pods[name], path) for name, path in places.items()]
    assert claims == [f"{RELEASE}-streamflow-artifacts"] * 2
    claim = next(
        document
        for document in minimal.of_kind("PersistentVolumeClaim")
        if document["metadata"]["name"] == claims[0]
    )
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for document in minimal.of_kind("PersistentVolumeClaim"):
        assert document["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_folders_of_the_worker_are_those_of_the_values(
    minimal: Rendered, everything: Rendered
) -> None:
    folders = ("/state", "/data", "/inbox")
    expected = [f"{RELEASE}-streamflow-{name}" for name in ("state", "data", "inbox")]
    assert [claim_of(minimal.pods["prefect"], path) for path in folders] == expected
    claims = [claim_of(everything.pods["prefect"], path) for path in folders]
    assert claims == ["churn-state", f"{RELEASE}-streamflow-data", ""]


def claim_of(pod: Pod, path: str) -> str:
    """Return the claim that is mounted at a path; empty for an empty volume."""
    names = {mount["mountPath"]: mount["name"] for mount in pod.container["volumeMounts"]}
    volume = next(volume for volume in pod.spec["volumes"] if volume["name"] == names[path])
    claim: str = volume.get("persistentVolumeClaim", {}).get("claimName", "")
    return claim


def test_a_service_reaches_what_it_needs_and_nothing_else_is_open(minimal: Rendered) -> None:
    to_mlflow = {(name, "mlflow", 5000) for name in ("api", "console", "prefect")}
    of_the_console = {("console", "prefect", 4200), ("console", "api", 8000)}
    assert allowed_connections(minimal) == {*to_mlflow, *of_the_console}
    deny = [
        policy["spec"]
        for policy in minimal.of_kind("NetworkPolicy")
        if policy["spec"].keys() == {"podSelector", "policyTypes"}
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    ]
    for pod in minimal.pods.values():
        assert any(selects(spec["podSelector"], pod.labels) for spec in deny)
    open_everywhere = template(MINIMAL, networkPolicy__enabled=False)
    assert ("feast", "api", 8000) in allowed_connections(open_everywhere)


def test_a_peer_of_the_values_may_enter_and_nobody_else(
    minimal: Rendered, everything: Rendered
) -> None:
    policies = {
        policy["metadata"]["name"]: policy["spec"] for policy in everything.of_kind("NetworkPolicy")
    }
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    for service, port in (("api", 8000), ("console", 8400)):
        (rule,) = policies[f"{RELEASE}-streamflow-{service}"]["ingress"]
        assert rule["ports"] == [{"protocol": "TCP", "port": port}]
        assert rule["from"][0] == peer
        own_callers = [list(own["podSelector"]["matchExpressions"]) for own in rule["from"][1:]]
        assert own_callers == ([[CONSOLE_PODS]] if service == "api" else [])
    (rule,) = policies[f"{RELEASE}-streamflow-mlflow"]["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    for policy in minimal.of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"], "a rule without peers would let everybody in"


def test_services_and_everything_else_point_to_what_is_rendered(rendered: Rendered) -> None:
    pods = rendered.pods.values()
    services = {
        document["metadata"]["name"]: document["spec"] for document in rendered.of_kind("Service")
    }
    assert len(services) == len(PORTS)
    for spec in services.values():
        (pod,) = [pod for pod in pods if spec["selector"].items() <= pod.labels.items()]
        names = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
        assert {port["targetPort"]: port["port"] for port in spec["ports"]} == names
    deployments = {document["metadata"]["name"] for document in rendered.of_kind("Deployment")}
    (scaler,) = rendered.of_kind("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] in deployments
    (budget,) = rendered.of_kind("PodDisruptionBudget")
    protected = [pod.service for pod in pods if selects(budget["spec"]["selector"], pod.labels)]
    assert protected == ["api"]
    for ingress in rendered.of_kind("Ingress"):
        (rule,) = ingress["spec"]["rules"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        assert backend["port"]["name"] in [
            port["name"] for port in services[backend["name"]]["ports"]
        ]
    for name in ("api", "console", "prefect"):
        url = rendered.pods[name].variables["STREAMFLOW_MLFLOW_TRACKING_URI"]
        assert url == f"http://{RELEASE}-streamflow-mlflow:5000"
        known = rendered.pods["mlflow"].variables["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
        assert url.removeprefix("http://") in known


def test_the_api_grows_with_cpu_and_where_it_is_asked_for_with_waiting_ids(
    minimal: Rendered, everything: Rendered
) -> None:
    (scaler,) = minimal.of_kind("HorizontalPodAutoscaler")
    assert [metric["type"] for metric in scaler["spec"]["metrics"]] == ["Resource"]
    (scaler,) = everything.of_kind("HorizontalPodAutoscaler")
    cpu, waiting = scaler["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    metric = waiting["pods"]["metric"]["name"]
    source = (ROOT / "src/streamflow/api/metrics.py").read_text(encoding="utf-8")
    assert f'"{metric}"' in source
    assert "cpu" in minimal.pods["api"].container["resources"]["requests"]


def test_when_stopped_nothing_runs_and_the_database_is_still_migrated() -> None:
    stopped = template(MINIMAL, stopped=True)
    deployments = stopped.of_kind("Deployment")
    assert [document["spec"]["replicas"] for document in deployments] == [0] * len(PORTS)
    assert stopped.of_kind("HorizontalPodAutoscaler") == []
    assert len(stopped.of_kind("Job")) == 1


def test_the_autoscaler_alone_decides_how_many_run(minimal: Rendered) -> None:
    replicas = {
        document["metadata"]["name"].rpartition("-")[2]: document["spec"].get("replicas")
        for document in minimal.of_kind("Deployment")
    }
    assert replicas == {"api": None, "console": 1, "mlflow": 1, "prefect": 1, "feast": 1}
    fixed = template(MINIMAL, api__autoscaling__enabled=False, api__replicas=3)
    api = next(d for d in fixed.of_kind("Deployment") if d["metadata"]["name"].endswith("-api"))
    assert api["spec"]["replicas"] == 3
    assert fixed.of_kind("HorizontalPodAutoscaler") == []


def test_the_database_is_migrated_before_anything_else_by_what_exists_already(
    rendered: Rendered,
) -> None:
    (job,) = rendered.of_kind("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = rendered.pods["migrate"]
    assert pod.container["command"] == ["streamflow", "migrate", "--require-stopped"]
    assert not [volume for volume in pod.spec["volumes"] if "persistentVolumeClaim" in volume]
    assert rendered.of_kind("ConfigMap") == []
    # It makes MLflow's tables itself, so it works on the database, as the service mlflow does.
    names = [name for name in pod.variables if name.startswith(("STREAMFLOW_", "PG"))]
    mlflow = rendered.pods["mlflow"].variables
    assert {name: pod.variables[name] for name in names} == {
        name: value for name, value in mlflow.items() if name.startswith(("STREAMFLOW_", "PG"))
    }


def test_the_key_that_signs_goes_to_those_who_promote_and_the_public_keys_to_all(
    minimal: Rendered,
) -> None:
    """The settings are read as a container reads them."""
    rendered = template(
        MINIMAL,
        signing__keySecret={"name": "private", "key": "a.pem"},
        signing__trustedConfigMap={"name": "public", "key": "b.pem"},
    )
    signing, trusted = "/etc/streamflow/signing/a.pem", "/etc/streamflow/trusted/b.pem"
    for service, pod in rendered.pods.items():
        volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
        mounts = {mount["name"]: mount for mount in pod.container["volumeMounts"]}
        assert pod.variables["STREAMFLOW_TRUSTED_KEYS"] == trusted
        assert volumes["trusted"]["configMap"] == {"name": "public"}
        assert mounts["trusted"]["mountPath"] == "/etc/streamflow/trusted"
        promotes = service in {"prefect", "console"}
        assert pod.variables.get("STREAMFLOW_SIGNING_KEY") == (signing if promotes else None)
        assert ("signing" in volumes, "signing" in mounts) == (promotes, promotes)
        if promotes:
            assert volumes["signing"]["secret"] == {
                "secretName": "private",
                "defaultMode": 0o440,
                "items": [{"key": "a.pem", "path": "a.pem"}],
            }
            assert mounts["signing"]["readOnly"] is True
    for pod in minimal.pods.values():
        names = {volume["name"] for volume in pod.spec["volumes"]}
        assert not names & {"signing", "trusted"}
        assert not {"STREAMFLOW_SIGNING_KEY", "STREAMFLOW_TRUSTED_KEYS"} & pod.variables.keys()


def test_the_page_shows_what_helm_says_without_values() -> None:
    """The page is docs/how-to/kubernetes.md."""
    page = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text(encoding="utf-8")
    (block,) = [block for block in read_blocks(page) if block.run_by.endswith("test_helm.py")]
    (command,) = block.commands
    program, *arguments = command.text.split()
    refused = run_helm(*arguments[:-1], str(CHART))
    assert (program, ROOT / arguments[-1], bool(refused.returncode)) == ("helm", CHART, True)
    printed = comparable(refused.stderr.splitlines())
    assert agrees(comparable(command.shown), printed), printed
