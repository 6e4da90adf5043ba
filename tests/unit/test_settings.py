"""Settings: where a value comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamflow.database import from_url
from streamflow.errors import SettingsInvalid
from streamflow.settings import (
    apply_catalog_defaults,
    list_settings,
    load_settings,
    override_settings,
    temporary_environment,
)
from streamflow.settings.installation_settings import InstallationSettings
from streamflow.settings.settings_file import list_variables

SECRET = "s3cret/%&"  # noqa: S105  # a password of this test


def origins(**flags: object) -> dict[str, tuple[str, str]]:
    return {row.name: (row.value, row.origin) for row in list_settings(load_settings(**flags))}


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert origins()["seed"] == ("42", "default")
    (tmp_path / "streamflow.toml").write_text("seed = 1\ntrees = 2\n")
    assert origins()["seed"] == ("1", "streamflow.toml")
    monkeypatch.setenv("STREAMFLOW_SEED", "3")
    assert origins()["seed"] == ("3", "STREAMFLOW_SEED")
    assert origins(seed=4)["seed"] == ("4", "flag")
    assert origins()["trees"] == ("2", "streamflow.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeed = 1", "setting 'seeed': Extra inputs are not permitted"),
        ("seed = -1\ntrees = 0", "(?s)setting 'seed'.*setting 'trees'"),
        ("seed = ", r"streamflow\.toml: Invalid value"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "streamflow.toml").write_text(text)
    with pytest.raises(SettingsInvalid, match=said):
        load_settings()


def test_a_variable_that_no_setting_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMFLOW_HOEM", "x")
    with pytest.raises(SettingsInvalid, match="no setting is called STREAMFLOW_HOEM"):
        load_settings()


def test_only_what_changes_a_model_is_semantic() -> None:
    named = set(load_settings().semantic_values)
    assert {"seed", "split_salt", "holdout_share", "trees", "threshold"} <= named
    assert not named & {
        "home",
        "database_url",
        "api_port",
        "api_host",
        "catalog",
        "mlflow_tracking_uri",
        "log_level",
    }


def test_a_password_is_shown_nowhere() -> None:
    url = "postgresql://me:s3cret%2F%25%26@localhost:5433/churn"
    settings = load_settings(database_url=url)
    address = from_url(url)
    assert address.password == SECRET
    shown = [
        repr(settings),
        repr(address),
        address.display,
        address.sqlalchemy_url("mlflow"),
        str(origins(database_url=url)),
    ]
    assert not any("s3cret" in text for text in shown)
    assert address.display == "postgresql://me@/churn?host=localhost&port=5433"
    assert address.environment()["PGPASSWORD"] == SECRET
    with pytest.raises(SettingsInvalid) as refused:
        from_url("postgresql://me:s3cret%zz@host/x")
    assert "s3cret" not in str(refused.value)


SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_address_and_the_secret_of_webhooks_are_shown_nowhere() -> None:
    address = "https://hooks.example.com/services/T0/B0/s3cret"
    settings = load_settings(
        webhook_url=address, webhook_secret=SIGNING, lineage_api_key="s3cret-key"
    )
    shown = [repr(settings), *map(str, list_settings(settings))]
    assert not any("s3cret" in text or SIGNING[6:] in text for text in shown)


@pytest.mark.parametrize("secret", [None, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="])
def test_no_webhook_is_sent_unsigned(secret: str | None) -> None:
    with pytest.raises(SettingsInvalid, match="webhook_url': it needs webhook_secret") as refused:
        load_settings(webhook_url="https://hooks.example.com", webhook_secret=secret)
    assert secret is None or secret not in refused.value.message


def test_variables_for_vendors_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("PGHOST", "before")
    with temporary_environment({"PGHOST": "during", "PGUSER": "during"}):
        assert (os.environ["PGHOST"], os.environ["PGUSER"]) == ("during", "during")
    assert os.environ["PGHOST"] == "before"
    assert "PGUSER" not in os.environ


def test_the_file_beside_the_catalog_is_read_where_the_current_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    home = tmp_path / "home"
    for folder in (project, home, tmp_path / "elsewhere"):
        folder.mkdir()
    (project / "streamflow.toml").write_text("seed = 7")
    (project / "catalog.toml").touch()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert origins(home=home)["seed"] == ("42", "default")
    # The command names the catalog, or the state folder remembers it.
    assert origins(home=home, catalog=project / "catalog.toml")["seed"] == ("7", "streamflow.toml")
    assert load_settings(home=home, catalog=Path("../project/catalog.toml")).seed == 7
    (home / "home.catalog.source").write_text(f"{project / 'catalog.toml'}\n")
    assert origins(home=home)["seed"] == ("7", "streamflow.toml")
    monkeypatch.setenv("STREAMFLOW_HOME", str(home))
    assert load_settings().seed == 7
    assert load_settings(seed=9).seed == 9
    Path("streamflow.toml").write_text("trees = 5")
    assert (load_settings().seed, load_settings().trees) == (42, 5)


def test_the_file_beside_the_catalog_sets_nothing_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "streamflow.toml").write_text('database_url = "postgresql://evil/x"\nseed = 7')
    with pytest.raises(SettingsInvalid, match=r"database_url: a setting of the inst") as refused:
        load_settings(catalog=project / "catalog.toml")
    assert refused.value.remedy == (
        f"Run the command in {project}, or set STREAMFLOW_DATABASE_URL."
    )
    monkeypatch.chdir(project)
    assert load_settings(catalog=Path("catalog.toml")).seed == 7
    (project / "streamflow.toml").write_text("seed =")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsInvalid, match=r"project/streamflow\.toml: Invalid value"):
        load_settings(catalog=project / "catalog.toml")


@pytest.mark.parametrize("name", list(InstallationSettings.model_fields))
def test_each_name_of_a_setting_of_the_installation_is_refused_beside_the_catalog(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for folder in (project, tmp_path / ".streamflow"):
        folder.mkdir()
    source = tmp_path / ".streamflow" / "home.catalog.source"
    source.write_text(f"{project / 'catalog.toml'}\n")
    monkeypatch.chdir(tmp_path)
    # pydantic also takes a name in capital letters, and the variables of vendors.
    for alias in {name, name.upper(), *list_variables(name)[1:]}:
        (project / "streamflow.toml").write_text(f'{alias} = "http://evil"')
        with pytest.raises(SettingsInvalid, match=f"{name}: a setting of the installation"):
            load_settings()


def test_a_setting_of_the_installation_beside_the_catalog_may_be_overruled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "streamflow.toml").write_text(
        'database_url = "postgresql://evil/x"\nmlflow_tracking_uri = "http://evil"\nseed = 7'
    )
    monkeypatch.chdir(tmp_path)
    # Only what is still open is named.
    monkeypatch.setenv("STREAMFLOW_DATABASE_URL", "postgresql://own/x")
    with pytest.raises(SettingsInvalid, match=r"toml: mlflow_tracking_uri: a setting"):
        load_settings(catalog=project / "catalog.toml")
    named = load_settings(catalog=project / "catalog.toml", mlflow_tracking_uri="http://flag")
    assert (named.mlflow_tracking_uri, named.seed) == ("http://flag", 7)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://own")
    settings = load_settings(catalog=project / "catalog.toml")
    assert settings.mlflow_tracking_uri == "http://own"
    assert settings.database_url is not None
    assert "own" in settings.database_url.get_secret_value()


def test_the_file_in_the_current_folder_is_the_origin_of_a_setting_that_vendors_name_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "streamflow.toml").write_text('mlflow_tracking_uri = "http://own"')
    monkeypatch.chdir(tmp_path)
    assert load_settings().origin("mlflow_tracking_uri") == "streamflow.toml"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable")
    assert load_settings().mlflow_tracking_uri == "http://variable"
    assert load_settings().origin("mlflow_tracking_uri") == "MLFLOW_TRACKING_URI"


def test_a_changed_copy_keeps_the_defaults_of_the_catalog_and_reads_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://first")
    settings = load_settings(trees=50)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://second")
    (tmp_path / "streamflow.toml").write_text("nonsense = 1")
    monkeypatch.chdir(tmp_path)
    changed = override_settings(settings, model="logistic", home=tmp_path)
    completed = apply_catalog_defaults(changed, "streamflow_churn")
    assert (completed.threshold, completed.kept_value) == ("value", 200.0)
    assert (completed.model, completed.trees, completed.home) == ("logistic", 50, tmp_path)
    assert completed.mlflow_tracking_uri == "http://first"
    assert completed.origin("threshold") == "default"
    assert completed.origin("model") == "flag"
    with pytest.raises(SettingsInvalid, match="seed"):
        override_settings(settings, seed=-1)
    with pytest.raises(SettingsInvalid, match="sed"):
        override_settings(settings, sed=1)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "example.com/lineage",
        "https://me:secret@example.com",
        "https://example.com:secret/hook",
        "https://example.com:70000/secret",
        "https://example.com/a b",
        "https://example.com/secret\r\nHost: other",
    ],
)
@pytest.mark.parametrize("name", ["lineage_url", "webhook_url"])
def test_an_address_that_no_request_may_go_to_is_refused(name: str, address: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(**{name: address}, webhook_secret=SIGNING)
    assert f"setting '{name}'" in refused.value.message
    assert "secret" not in refused.value.message


def test_a_lake_is_a_whole_path_or_a_bucket(tmp_path: Path) -> None:
    place = f"file://{tmp_path}/lake"
    for address in (f"{tmp_path}/lake", place, f"{place}/"):
        assert load_settings(lake=address).lake == place
    assert load_settings(lake="s3://bucket/prefix/").lake == "s3://bucket/prefix"


@pytest.mark.parametrize(
    "address",
    [
        "file://srv/lake",  # PyIceberg would take a folder below the working directory
        "/srv/lake#1",  # PyIceberg would take /srv/lake, with the files of others
        "file:///srv/lake?1",
        "s3://bucket/lake#1",
        "s3://me:secret@bucket",
        "s3://",
        "gs://bucket",
    ],
)
def test_an_address_that_is_no_lake_is_refused(address: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings(lake=address)
    assert "setting 'lake'" in refused.value.message
    assert "secret" not in refused.value.message
