"""Two feature sets in one state folder.

One line of the catalog and `migrate` lead from the first to a prediction with the second.

Feast's, MLflow's and PostgreSQL's own clients see both under `exec`, after all our processes have
ended.
"""

from __future__ import annotations

import json
from pathlib import Path

from support.command import called
from support.processes import alive, run, wait_for
from support.registry import meaning

from streamflow.catalog import DEFAULT_PATH


def test_nothing_of_ours_runs_between_two_commands(two_feature_sets: Path) -> None:
    assert wait_for(lambda: not alive(two_feature_sets), 5.0), alive(two_feature_sets)


def stock(home: Path, *command: str) -> str:
    done = run(home, "exec", "--", *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


FEAST = """
import json, warnings
from click.testing import CliRunner
from feast.cli.cli import cli
warnings.simplefilter("ignore")
said = []
for words in (["feature-views", "list"], ["registry-dump"], ["apply"], ["registry-dump"]):
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said.append(done.stdout)
print(json.dumps(said))
"""


def test_feast_lists_our_views_and_applies_without_a_change(two_feature_sets: Path) -> None:
    """Its own commands one after the other in one process: it takes seconds to import."""
    assert "subs_profile_fv" in stock(two_feature_sets, "feast", "feature-views", "list")
    views, first, _, second = json.loads(
        stock(two_feature_sets, "python", "-W", "ignore", "-c", FEAST).splitlines()[-1]
    )
    assert all(
        view in views
        for view in (
            "subs_profile_fv",
            "usage_agg_30d_fv",
            "payments_agg_90d_fv",
            "support_agg_90d_fv",
        )
    )
    before, after = json.loads(first), json.loads(second)
    assert len(before["featureServices"]) == 2
    assert meaning(after) == meaning(before)


CLIENT = """
import json, mlflow
client = mlflow.MlflowClient()
versions = client.search_model_versions("name = 'streamflow_churn'")
run = client.get_run(versions[0].run_id)
files = [f.path for f in client.list_artifacts(run.info.run_id)]
print(json.dumps({"versions": sorted(int(v.version) for v in versions),
                  "as_of": run.data.params["as_of"],
                  "inputs": len(run.inputs.dataset_inputs), "artifacts": files}))
"""


def test_mlflow_sees_our_experiment_and_our_versions(two_feature_sets: Path) -> None:
    assert "streamflow" in stock(two_feature_sets, "mlflow", "experiments", "search")
    seen = json.loads(
        stock(two_feature_sets, "python", "-W", "ignore", "-c", CLIENT).splitlines()[-1]
    )
    assert seen["versions"] == [1, 2]
    assert (seen["as_of"], seen["inputs"]) == ("2024-01-31", 1)
    assert {
        "passport.json",
        "feature_schema.json",
        "roc.png",
        "precision_recall.png",
        "calibration.png",
    } <= set(seen["artifacts"])


QUERY = """
import psycopg
with psycopg.connect("") as connection:
    print(*connection.execute("SELECT current_user, count(*) FROM frozen.users").fetchone())
"""


def test_libpq_reaches_the_database_as_the_writer(two_feature_sets: Path) -> None:
    assert stock(two_feature_sets, "python", "-c", QUERY).strip() == "streamflow_writer 400"


def test_the_exit_code_is_that_of_the_command_and_the_server_stays_while_it_runs(
    two_feature_sets: Path,
) -> None:
    assert run(two_feature_sets, "exec", "--", "sh", "-c", "exit 7").returncode == 7
    unknown = run(two_feature_sets, "exec", "--", "no-such-command")
    assert unknown.returncode == 3
    assert "no-such-command: no such command" in unknown.stderr


def test_one_line_and_migrate_lead_to_a_prediction(two_feature_sets: Path, wider: Path) -> None:
    def call(*arguments: str) -> str:
        done = called(two_feature_sets, "--catalog", str(wider), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("promote", "2")
    features = json.loads(call("predict", "7590-VHVEG", "--json"))["features"]
    assert (len(features), features["contract_type"]) == (15, "Month-to-month")
    call(
        "promote", "1", "--force", "--why", "a test"
    )  # the version of the former feature set answers as before
    assert len(json.loads(call("predict", "7590-VHVEG", "--json"))["features"]) == 14


def test_a_catalog_that_the_database_does_not_know_is_refused_with_the_next_step(
    two_feature_sets: Path,
) -> None:
    assert called(two_feature_sets, "models").returncode == 0  # by the catalog it remembers
    done = called(two_feature_sets, "--catalog", str(DEFAULT_PATH), "models")
    assert done.returncode == 37
    assert "this installation uses " in done.stderr
    assert "run 'streamflow --catalog FILE migrate --change-catalog'" in done.stderr
