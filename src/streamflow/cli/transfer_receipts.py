"""What was moved, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamflow.steps.upkeep.prune import PruneReceipt
    from streamflow.steps.versions.export import ExportReceipt
    from streamflow.steps.versions.import_version import ImportReceipt


def export(r: ExportReceipt) -> str:
    """What is in the file."""
    held = f"{r.revisions} frozen revisions with {r.rows:,} rows, passport {r.passport_digest[:16]}"
    done = f"[OK] exported {r.model} version {r.version} to {r.file} ({r.bytes / 1e6:,.1f} MB) in {r.seconds:.1f} s"
    return f"  {held}\n{done}"


def import_version(r: ImportReceipt) -> str:
    """What it is called here."""
    if r.already:
        return f"[OK] no change: this is {r.model} version {r.version} here already"
    rows = f"  frozen: {r.revisions} revisions with {r.rows:,} rows"
    return f"{rows}\n[OK] imported {r.model} version {r.version}, run_id={r.run_id} in {r.seconds:.1f} s"


def prune(r: PruneReceipt) -> str:
    """One line per thing that goes."""
    lines = [
        f"  {one.table:20} {one.as_of:%Y-%m-%d} revision {one.revision}  {one.rows:>9,} rows"
        for one in r.revisions
    ]
    lines += [
        f"  run {run.run_id} {run.status:8}  {run.bytes / 1e6:>9,.1f} MB  {run.name}"
        for run in r.runs
    ]
    stays = "  stays: the log is in use"
    lines += [
        f"  {'prediction log':20} {one.month.replace('_', '-'):21}  {one.rows:>9,} rows{stays if one.month in r.busy else ''}"
        for one in r.months
    ]
    lines += (
        [f"  note: {r.unknown} passports stay whose runs this MLflow does not know"]
        if r.unknown
        else []
    )
    verb = "would remove" if r.dry_run else "removed"
    gone = f"{len(r.revisions)} revisions ({r.rows:,} rows), the files of {len(r.runs)} runs ({r.bytes / 1e6:,.1f} MB)"
    gone += f", {len(r.months) - len(r.busy)} months of the prediction log" if r.months else ""
    gone += f", {len(r.scores)} runs of 'score'"
    return "\n".join([*lines, f"[OK] {verb} {gone}; {r.kept} revisions stay"])
