"""Print the receipts of the data steps, of training, of prediction and of backups as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.cli.reproduce_receipts import describe_check, describe_events
from streamflow.core.data.counts import choose_form, count_of

if TYPE_CHECKING:
    from streamflow.core.training.honesty import HonestyReport
    from streamflow.flows import MonthlyReceipt
    from streamflow.steps.data.forget import ForgetReceipt
    from streamflow.steps.data.ingest import IngestReceipt
    from streamflow.steps.data.materialize import MaterializeReceipt
    from streamflow.steps.data.migrate import MigrateReceipt
    from streamflow.steps.data.simulate import SimulateReceipt
    from streamflow.steps.data.snapshot import FrozenTable, SnapshotReceipt
    from streamflow.steps.serving.predict import Prediction
    from streamflow.steps.training.train import TrainReceipt
    from streamflow.steps.training.training_set_receipt import TrainingSetReceipt
    from streamflow.steps.upkeep.backup_content import BackupContent
    from streamflow.steps.upkeep.restore import RestoreReceipt


def simulate(receipt: SimulateReceipt) -> str:
    """Print one line per simulated drop."""
    drops = zip(
        receipt.folders,
        receipt.as_ofs,
        receipt.rows,
        receipt.churn_rates,
        receipt.best_aucs,
        strict=True,
    )
    return "\n".join(
        f"[OK] simulated {folder}  as_of={as_of} rows={rows:,} churn={churn_rate:.3f}"
        f" best possible AUC={best_auc:.3f}"
        for folder, as_of, rows, churn_rate, best_auc in drops
    )


def migrate(receipt: MigrateReceipt) -> str:
    """Print one line per change, and how many changes there are."""
    lines = [f"  {change}" for change in receipt.changes]
    lines += [f"  note: {note}" for note in receipt.notes]
    verb = "planned" if receipt.planned else "made"
    summary = f"{count_of(len(receipt.changes), 'change')} {verb}"
    lines.append(f"[OK] {summary if receipt.changes else 'nothing to migrate'}")
    return "\n".join(lines)


def ingest(receipt: IngestReceipt) -> str:
    """Print one line per file, and notes about rows that were left out."""
    lines = []
    for file in receipt.files:
        rows = f"{count_of(file.rows, 'row', width=9):14}"
        lines.append(f"  {file.file:28} {rows}  sha256 {file.sha256[:16]}")
    lines += [f"  note: {warning}" for warning in receipt.warnings]
    if receipt.rejected:
        verb = choose_form(receipt.rejected, "was", "were")
        pronoun = choose_form(receipt.rejected, "it", "them")
        lines.append(
            f"  note: {count_of(receipt.rejected, 'row')} {verb} rejected and not loaded;"
            f" 'streamflow rejects --as-of {receipt.as_of}' lists {pronoun}"
        )
    if receipt.erased:
        verb = choose_form(receipt.erased, "is", "are")
        lines.append(
            f"  note: {count_of(receipt.erased, 'key')} {verb} left out,"
            " because of a request to forget"
        )
    result = "ingested" if receipt.changed else "no change: this drop was ingested before,"
    lines.append(f"[OK] {result} as_of={receipt.as_of} rejected={receipt.rejected}")
    return "\n".join(lines)


def snapshot(receipt: SnapshotReceipt) -> str:
    """Print one line per table, with what a correction changed."""
    lines = []
    for table in receipt.tables:
        state = "frozen" if table.created else "unchanged"
        rows = f"{count_of(table.rows, 'row', width=9):14}"
        lines.append(
            f"  {table.table:20} revision {table.revision} {state:9} {rows}"
            f"  {table.digest[:16]}{_describe_correction(table)}"
        )
        if table.events:
            lines.append(f"  {'':20} {describe_events(table.events)}")
    lines.append(f"[OK] snapshot as_of={receipt.as_of} known_at={receipt.known_at.isoformat()}")
    return "\n".join(lines)


def _describe_correction(table: FrozenTable) -> str:
    """Name the changed columns with their numbers of cells, and the keys added and removed."""
    if not (table.created and table.changed_columns):
        return ""
    changes = []
    for column in table.changed_columns:
        cells = table.changed_cells.get(column)
        changes.append(column if cells is None else f"{column} {cells:,}")
    if table.added:
        changes.append(f"{count_of(table.added, 'key')} added")
    if table.removed:
        changes.append(f"{count_of(table.removed, 'key')} removed")
    return f"  changed: {', '.join(changes)}"


def materialize(receipt: MaterializeReceipt) -> str:
    """Print one line per feature view."""
    lines = []
    for view in receipt.views:
        rows = f"{count_of(view.rows, 'row', width=9):14}"
        lines.append(f"  {view.view:24} {rows}  {view.removed:,} removed")
    lines.append(f"[OK] online as_of={receipt.as_of}")
    return "\n".join(lines)


def monthly(receipt: MonthlyReceipt) -> str:
    """Print the three receipts of a run."""
    return "\n".join(
        [ingest(receipt.ingest), snapshot(receipt.snapshot), materialize(receipt.materialize)]
    )


def forget(receipt: ForgetReceipt) -> str:
    """Print how many rows were erased, and the new digest of each revision that had the key."""
    if receipt.already:
        return "[OK] this key was forgotten before; no table contains it"
    lines = [f"  {table:32} {count_of(rows, 'row')}" for table, rows in receipt.rows.items()]
    for erased in receipt.erased:
        table = f"frozen.{erased.table:25}"
        revision = f"{erased.as_of:%Y-%m-%d} revision {erased.revision}"
        digests = f"{erased.old_digest[:16]} -> {erased.new_digest[:16]}"
        lines.append(f"  {table} {revision}  {digests}")
    live_rows = count_of(sum(receipt.rows.values()), "live row")
    frozen_rows = count_of(len(receipt.erased), "frozen row")
    lines.append(f"[OK] forgotten: {live_rows} and {frozen_rows}")
    return "\n".join(lines)


def training_set(receipt: TrainingSetReceipt) -> str:
    """Print the rows and the digest of a training set, and the revisions it was read from."""
    lines = [
        f"  {source.table:20} {source.as_of:%Y-%m-%d} revision {source.revision}"
        f"  {source.digest[:16]}"
        for source in receipt.sources
    ]
    lines.append(f"  known_at={receipt.known_at.isoformat()}")
    lines += [
        f"  month {month.as_of} labels={month.label_as_of} rows={month.rows:,}"
        f" known_at={month.known_at.isoformat()} digest={month.digest[:16]}"
        for month in receipt.months
    ]
    if receipt.out:
        lines.append(f"  written to {receipt.out}")
    months = f" months={len(receipt.months)}" if receipt.months else ""
    lines.append(
        f"[OK] training set as_of={receipt.as_of} labels={receipt.label_as_of}{months}"
        f" rows={receipt.rows:,} positive={receipt.positive_share:.4f} digest={receipt.digest}"
    )
    return "\n".join(lines)


def honesty(report: HonestyReport) -> str:
    """Print one line per finding, the worst first."""
    lines = [f"  {finding}" for finding in report.lines]
    mark = "NO" if report.severe else "OK"
    lines.append(
        f"[{mark}] label honesty as_of={report.as_of} labels={report.label_as_of}"
        f" rows={report.rows:,}: {report.counts}"
    )
    return "\n".join(lines)


def train(receipt: TrainReceipt) -> str:
    """Print what the proof and the checks found, notes about the numbers, and the metrics."""
    lines = [f"  {describe_check(receipt.certificate)}"]
    lines += [f"  {finding}" for finding in receipt.honesty.lines]
    lines += _tabulate_candidates(receipt)
    lines += _describe_forward(receipt)
    lines += [f"  note: {note}" for note in receipt.remarks]
    lines.append(receipt.line)
    return "\n".join(lines)


def _describe_forward(receipt: TrainReceipt) -> list[str]:
    """Return the line about a model of the months before; nothing for a version of one month."""
    metrics = receipt.forward
    if metrics is None:
        return []
    return [
        f"  forward in time: a model of the months before {receipt.as_of} has"
        f" AUC={metrics.auc:.4f} [{metrics.auc_low:.4f}, {metrics.auc_high:.4f}]"
        f" F1={metrics.f1:.4f} on the hold-out of {receipt.as_of}"
    ]


def _tabulate_candidates(receipt: TrainReceipt) -> list[str]:
    """Return the table of the kinds of models that were compared; empty for a named kind."""
    if not receipt.candidates:
        return []
    lines = [
        "  kinds of models, cross-validated on the training side; the lowest Brier score counts:"
    ]
    for kind, auc in receipt.candidates.items():
        facts = []
        if kind in receipt.leaf_sizes:
            facts.append(f"leaf size {receipt.leaf_sizes[kind]}")
        if kind == receipt.model_kind:
            facts.append("chosen")
        scores = f"AUC {auc:.4f}  Brier {receipt.candidate_briers[kind]:.4f}"
        lines.append(f"    {kind:10} {scores}  {', '.join(facts)}".rstrip())
    return lines


def predict(receipt: Prediction) -> str:
    """Print a prediction in one line; `defaulted` names the features that used a default."""
    line = (
        f"[OK] {receipt.key} prediction={receipt.prediction} probability={receipt.probability}"
        f" version={receipt.version} as_of={receipt.as_of:%Y-%m-%d}"
        f" age_days={receipt.age_days:.1f}"
    )
    if receipt.defaulted:
        line += f" defaulted={','.join(receipt.defaulted)}"
    return line


def backup(receipt: BackupContent) -> str:
    """Print what a new backup contains."""
    lines = _describe_content(receipt)
    lines += [f"  missing: {missing}" for missing in receipt.missing]
    verdict = "[INCOMPLETE]" if receipt.missing else "[OK]"
    lines.append(
        f"{verdict} backed up to {receipt.file} ({receipt.bytes / 1e6:,.1f} MB)"
        f" in {receipt.seconds:.1f} s"
    )
    return "\n".join(lines)


def backup_checked(receipt: BackupContent) -> str:
    """Print what a backup contains, after every byte of it was verified."""
    lines = _describe_content(receipt)
    lines.append(
        f"[OK] {receipt.file} is complete and undamaged ({receipt.bytes / 1e6:,.1f} MB),"
        f" verified in {receipt.seconds:.1f} s"
    )
    return "\n".join(lines)


def restore(receipt: RestoreReceipt) -> str:
    """Print what was restored and verified, and what is left to do."""
    content = receipt.backup
    lines = _describe_content(content)
    lines += [f"  note: {note}" for note in receipt.notes]
    revisions = count_of(receipt.revisions_verified, "frozen revision")
    models = count_of(receipt.models_verified, "model file")
    lines.append(f"  verified by digest: {revisions}, {models}")
    lines.append(
        f"[OK] restored {content.file} to {receipt.database} and {receipt.home}"
        f" in {receipt.seconds:.1f} s"
    )
    return "\n".join(lines)


def _describe_content(content: BackupContent) -> list[str]:
    tables = count_of(content.tables, "table")
    rows = count_of(content.rows, "row")
    revisions = count_of(content.revisions, "frozen revision")
    artifacts = count_of(content.artifacts, "artifact")
    lines = [
        f"  made at {content.created:%Y-%m-%d %H:%M:%S} UTC from PostgreSQL {content.postgresql},"
        f" schema version {content.schema_version}",
        f"  {tables} with {rows}, {revisions}, {artifacts}",
    ]
    lines += [
        f"  {version.name} version {version.version} {version.stage:10} {version.model_digest[:16]}"
        for version in content.versions
    ]
    lines.append(f"  sha256 {content.sha256}")
    lines += [f"  note: {note}" for note in content.notes]
    return lines
