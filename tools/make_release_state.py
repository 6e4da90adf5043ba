"""Save a small installation of this release for the tests of later ones.

It writes tests/data/releases/VERSION/: `state.backup`, the backup of an installation with simulated
users, and `expected.json`, what this release answered and recorded. Later releases restore the
backup, migrate it, and must give the same answers: tests/integration/test_releases.py.

Run it after the commit of the release, so that the passports name this commit. It reads no settings
of yours, so it cannot write into an installation of yours.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streamflow import __version__
from streamflow.database.embedded import remove_server
from streamflow.platform import Platform, open_platform
from streamflow.settings import load_settings
from streamflow.steps.data.forget import forget
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.simulate import simulate
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.monitoring.monitor import monitor
from streamflow.steps.promotion.promote import promote
from streamflow.steps.promotion.rollback import rollback
from streamflow.steps.serving.predict import predict
from streamflow.steps.serving.score import score
from streamflow.steps.stages.ledger import verify_ledger
from streamflow.steps.training.train import train
from streamflow.steps.upkeep.backup import backup
from streamflow.steps.versions.reproduce import reproduce

RELEASES = Path(__file__).parent.parent / "tests" / "data" / "releases"
USERS = 120
MONTHS = {
    "month_000": datetime(2024, 1, 31, tzinfo=UTC),
    "month_001": datetime(2024, 2, 29, tzinfo=UTC),
}
# The settings of the installation. `model` is that of the first version, which is in Production.
SETTINGS: dict[str, Any] = {
    "model": "baseline",
    "trees": 5,
    "bootstrap_draws": 100,
    "gate_draws": 300,
    "train_figures": False,
}
OTHER_KINDS = ("logistic", "boosting")
# How variables begin that are settings of ours, or of libpq, MLflow, Prefect and Feast.
PREFIXES = ("STREAMFLOW_", "PG", "MLFLOW_", "PREFECT_", "FEATURE_REPO_")
WHO = "release"  # in place of the login name of whoever runs this


def fill(platform: Platform, drops: Path) -> None:
    """Use the installation: two drops, three versions, promotions, answers and an erasure."""
    january, february = MONTHS.values()
    for name, as_of in MONTHS.items():
        ingest(platform, drops / name, as_of)
        snapshot(platform, as_of)
    materialize(platform)
    first = train(platform, january).version
    promote(platform, first, why="the gate refuses: it learned from too few users")
    promote(platform, first, force=True, why="the first version")
    for kind in OTHER_KINDS:
        settings = platform.settings.model_copy(update={"model": kind})
        train(replace(platform, settings=settings), january)
    promote(platform, first + 1, force=True, why="to roll it back")
    rollback(platform, why="the first version again")
    score(platform, february, explain=True)
    monitor(platform, february)
    key = find_new_key(platform)
    predict(platform, key, now=datetime.now(UTC))
    forget(platform, key, why="a request")


def find_new_key(platform: Platform) -> str:
    """Return a key of February alone: after its erasure the versions of January can be rebuilt."""
    query = """
        SELECT min(user_id) FROM online.subs_profile_fv
        WHERE user_id NOT IN (SELECT user_id FROM raw.users WHERE as_of = %s)
    """
    keys = platform.connection.execute(query, [MONTHS["month_000"]]).fetchall()
    key: str = keys[0][0]
    return key


def live_keys(platform: Platform) -> list[str]:
    """Return the keys of the online store, sorted."""
    query = "SELECT user_id FROM online.subs_profile_fv ORDER BY 1"
    return [key for (key,) in platform.connection.execute(query).fetchall()]


def record(platform: Platform) -> dict[str, Any]:
    """Return what later releases must find and answer again."""
    now = datetime.now(UTC)
    answers = {}
    for key in live_keys(platform)[:20]:
        answer = predict(platform, key, now=now)
        answers[key] = [answer.probability, answer.prediction]
    rebuilt = reproduce(platform, "1")
    verdict = verify_ledger(platform)
    stages = {str(one.version): one.stage for one in platform.models.versions()}
    return {
        "release": __version__,
        "settings": SETTINGS,
        "stages": stages,
        "answers": answers,
        "result": rebuilt.result,
        "ledger": [verdict.entries, platform.models.read_stages().ledger_head],
    }


@contextmanager
def without_own_settings(folder: Path) -> Iterator[None]:
    """Forget the variables of whoever runs this, and work in `folder`, away from a settings file.

    A variable or a file may name a database, and this would write into it.
    """
    for name in list(os.environ):
        if name.startswith(PREFIXES):
            del os.environ[name]
    with chdir(folder):
        yield


def main() -> int:
    """Make the installation in a temporary folder, and save it. Return the exit code."""
    target = RELEASES / __version__
    os.environ["LOGNAME"] = WHO
    with (
        TemporaryDirectory(prefix="release-") as folder,
        without_own_settings(Path(folder)),
    ):
        home = Path(folder) / "home"
        drops = Path(folder) / "drops"
        simulate(drops, users=USERS, months=len(MONTHS), seed=1, notify=print)
        try:
            with open_platform(
                load_settings(home=home, **SETTINGS), must_be_migrated=False
            ) as platform:
                migrate(platform)
                fill(platform, drops)
                expected = record(platform)
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir(parents=True)
                for page in home.glob("artifacts/**/report.html"):
                    page.unlink()  # it is large, and no later release reads it
                receipt = backup(platform, target / "state.backup")
        finally:
            remove_server(home)
    text = json.dumps(expected, indent=1)
    (target / "expected.json").write_text(text + "\n", encoding="utf-8")
    print(f"{target}: {receipt.bytes / 1e3:.0f} KB, {expected['result']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
