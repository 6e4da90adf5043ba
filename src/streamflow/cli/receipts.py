"""Receipts in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamflow.cli.reproduce_receipts import checked

if TYPE_CHECKING:
    from streamflow.core.training.honesty import Honesty
    from streamflow.flows import MonthlyReceipt
    from streamflow.steps.data.forget import ForgetReceipt
    from streamflow.steps.data.ingest import IngestReceipt
    from streamflow.steps.data.init import InitReceipt
    from streamflow.steps.data.materialize import MaterializeReceipt
    from streamflow.steps.data.migrate import MigrateReceipt
    from streamflow.steps.data.simulate import SimulateReceipt
    from streamflow.steps.data.snapshot import FrozenTable, SnapshotReceipt
    from streamflow.steps.serving.predict import Prediction
    from streamflow.steps.training.train import TrainReceipt
    from streamflow.steps.training.training_set import TrainingSetReceipt
    from streamflow.steps.upkeep.backup_content import BackupContent
    from streamflow.steps.upkeep.restore import RestoreReceipt


def init(r: InitReceipt) -> str:
    """One line per file, what is left open, and the way on."""
    lines = [
        f"  {t.file:28} {t.rows:>9,} rows  {t.columns:>3} columns  {len(t.features):>3} features"
        for t in r.tables
    ]
    notes = [f"  decide: {d}" for d in r.decisions]
    features = sum(len(t.features) for t in r.tables)
    done = f"[OK] wrote {r.out}: key={r.key} ({r.key_type}) label={r.label} features={features} model={r.model}"
    way = [
        f"Read the guesses in {r.out}, then: streamflow --catalog {r.out} run {r.folder} --as-of YYYY-MM-DD"
    ]
    return "\n".join([*lines, *notes, done, *way])


def simulate(r: SimulateReceipt) -> str:
    """One line per simulated drop."""
    lines = [
        f"[OK] simulated {folder}  as_of={as_of} rows={rows:,} churn={churn:.3f} best possible AUC={best:.3f}"
        for folder, as_of, rows, churn, best in zip(
            r.folders, r.as_ofs, r.rows, r.churn_rates, r.best_aucs, strict=True
        )
    ]
    return "\n".join(lines)


def migrate(r: MigrateReceipt) -> str:
    """One line per change."""
    if not r.changes:
        return "[OK] nothing to migrate"
    return "\n".join(
        [
            *(f"  {c}" for c in r.changes),
            f"[OK] {len(r.changes)} changes {'planned' if r.planned else 'made'}",
        ]
    )


def ingest(r: IngestReceipt) -> str:
    """One line per file."""
    lines = [f"  {f.file:28} {f.rows:>9,} rows  sha256 {f.sha256[:16]}" for f in r.files]
    lines += [f"  note: {w}" for w in r.warnings]
    if r.rejected:
        lines.append(
            f"  note: {r.rejected:,} rows were kept apart; 'streamflow rejects --as-of {r.as_of}' lists them"
        )
    if r.erased:
        lines.append(f"  note: {r.erased:,} keys were forgotten on request and are left out")
    done = "ingested" if r.changed else "no change: this drop is there already,"
    return "\n".join([*lines, f"[OK] {done} as_of={r.as_of} rejected={r.rejected}"])


def snapshot(r: SnapshotReceipt) -> str:
    """One line per table."""
    lines = []
    for t in r.tables:
        what = "frozen" if t.created else "unchanged"
        lines.append(
            f"  {t.table:20} revision {t.revision} {what:9} {t.rows:>9,} rows  {t.digest[:16]}{_changed(t)}"
        )
    return "\n".join([*lines, f"[OK] snapshot as_of={r.as_of} known_at={r.known_at.isoformat()}"])


def _changed(t: FrozenTable) -> str:
    """What a correction changed."""
    if not (t.created and t.changed_columns):
        return ""
    cells = [
        f"{c} {t.changed_cells[c]:,}" if c in t.changed_cells else c for c in t.changed_columns
    ]
    keys = [f"{n:,} keys {what}" for n, what in ((t.added, "added"), (t.removed, "removed")) if n]
    return f"  changed: {', '.join([*cells, *keys])}"


def materialize(r: MaterializeReceipt) -> str:
    """One line per view."""
    lines = [f"  {v.view:24} {v.rows:>9,} rows  {v.removed:,} removed" for v in r.views]
    return "\n".join([*lines, f"[OK] online as_of={r.as_of}"])


def monthly(r: MonthlyReceipt) -> str:
    """The three receipts of a run."""
    return "\n".join([ingest(r.ingest), snapshot(r.snapshot), materialize(r.materialize)])


def forget(r: ForgetReceipt) -> str:
    """What was erased, and what the revisions are called from now on."""
    if r.already:
        return "[OK] this key was forgotten before; nothing holds it"
    lines = [f"  {table:32} {rows:,} rows" for table, rows in r.rows.items()]
    for e in r.erased:
        place = f"frozen.{e.table:25} {e.as_of:%Y-%m-%d} revision {e.revision}"
        lines.append(f"  {place}  {e.old_digest[:16]} -> {e.new_digest[:16]}")
    return "\n".join(
        [*lines, f"[OK] forgotten: {sum(r.rows.values()):,} live and {len(r.erased):,} frozen rows"]
    )


def training_set(r: TrainingSetReceipt) -> str:
    """Rows, digest and the revisions used."""
    lines = [
        f"  {s.table:20} {s.as_of:%Y-%m-%d} revision {s.revision}  {s.digest[:16]}"
        for s in r.sources
    ]
    facts = f"as_of={r.as_of} labels={r.label_as_of} rows={r.rows:,} positive={r.positive_share:.4f} digest={r.digest}"
    tail = [f"known_at={r.known_at.isoformat()}"] + ([f"written to {r.out}"] if r.out else [])
    return "\n".join([*lines, *(f"  {t}" for t in tail), f"[OK] training set {facts}"])


def honesty(r: Honesty) -> str:
    """One line per finding, the worst first."""
    done = f"[{'NO' if r.severe else 'OK'}] label honesty as_of={r.as_of} labels={r.label_as_of} rows={r.rows:,}"
    return "\n".join([*(f"  {w}" for w in r.words), f"{done}: {r.counts}"])


def train(r: TrainReceipt) -> str:
    """What the reference ends with, and what a number alone would hide."""
    return "\n".join(
        [
            f"  {checked(r.certificate)}",
            *(f"  {w}" for w in r.honesty.words),
            *(f"  note: {w}" for w in r.words),
            r.line,
        ]
    )


def predict(r: Prediction) -> str:
    """One line, and which values were not the key's own."""
    told = f"[OK] {r.key} prediction={r.prediction} probability={r.probability} version={r.version} as_of={r.as_of:%Y-%m-%d}"
    return f"{told} age_days={r.age_days:.1f}" + (
        f" defaulted={','.join(r.defaulted)}" if r.defaulted else ""
    )


def backup(r: BackupContent) -> str:
    """What is in the file."""
    return "\n".join(
        [*_held(r), f"[OK] backed up to {r.file} ({r.bytes / 1e6:,.1f} MB) in {r.seconds:.1f} s"]
    )


def backup_checked(r: BackupContent) -> str:
    """What is in the file, of which every byte was read."""
    return "\n".join(
        [
            *_held(r),
            f"[OK] {r.file} is whole ({r.bytes / 1e6:,.1f} MB), verified in {r.seconds:.1f} s",
        ]
    )


def restore(r: RestoreReceipt) -> str:
    """What was restored and verified, and what is left to do."""
    lines = [*_held(r.backup), *(f"  note: {n}" for n in r.notes)]
    lines += [
        f"  verified by digest: {r.revisions_verified} frozen revisions, {r.models_verified} model files"
    ]
    return "\n".join(
        [*lines, f"[OK] restored {r.backup.file} to {r.database} and {r.home} in {r.seconds:.1f} s"]
    )


def _held(r: BackupContent) -> list[str]:
    lines = [
        f"  made {r.created:%Y-%m-%d %H:%M:%S} UTC of PostgreSQL {r.postgresql}, schema version {r.schema_version}",
        f"  {r.tables} tables with {r.rows:,} rows, {r.revisions} frozen revisions, {r.artifacts} artifacts",
        *(f"  {v.name} version {v.version} {v.stage:10} {v.model_digest[:16]}" for v in r.versions),
        f"  sha256 {r.sha256}",
    ]
    return [*lines, *(f"  note: {n}" for n in r.notes)]
