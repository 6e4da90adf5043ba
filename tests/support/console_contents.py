"""What the pages of the console show, and what no cheap step of a test stores."""

from __future__ import annotations

from datetime import date

from streamflow.core.data.instants import instant_of_day
from streamflow.core.monitoring.bins import BinCounts
from streamflow.core.monitoring.drift import FeatureDrift
from streamflow.core.monitoring.drift_tests import Rate, TestResult
from streamflow.core.monitoring.report import Report, ReportEvidence, to_values
from streamflow.platform import Platform
from streamflow.warehouse import monitoring
from streamflow.warehouse.monitoring import NewReport

HOSTILE = '"><script>alert(1)</script>'


def store_report(platform: Platform) -> None:
    """Store the report of a drop in which one feature drifted."""
    test = TestResult(method="chi-square", statistic=9.0, p=1e-9, p_adjusted=2e-9)
    rate = Rate(reference=0.0, current=0.25, test=test)
    bins = BinCounts(names=("a", HOSTILE), reference=(5, 5), current=(1, 9))
    feature = FeatureDrift(
        name="monthly_fee", psi=0.4321, distribution=test, missing=rate, unseen=None,
        strangers=((HOSTILE, 3),), bins=bins, reasons=(f"monthly_fee: PSI 0.4321 {HOSTILE}",),
    )  # fmt: skip
    evidence = ReportEvidence(
        model=platform.catalog.model, version=1, passport="p", as_of=date(2024, 1, 31),
        reference={}, current={}, answers=(0, 0, 0), drift_psi=0.2, drift_false_discovery=0.01,
    )  # fmt: skip
    report = Report(
        evidence=evidence, reference_as_of=date(2024, 1, 31), reference_rows=1000, rows=1001,
        label_lead=0, label_as_of=None, features=(feature,), labels=None, then=None, now=None,
        concept=None, answers=None, notes=("no labels",),
    )  # fmt: skip
    monitoring.store_report(
        platform.connection,
        NewReport(
            as_of=instant_of_day(evidence.as_of), model=evidence.model, version=1,
            mlflow_run_id="r", evidence_digest=evidence.digest, fires=report.fires,
            verdict=report.verdict, reasons=report.reasons, auc=None, auc_at_training=None,
            positive_share=None, report=to_values(report),
        ),
    )  # fmt: skip
