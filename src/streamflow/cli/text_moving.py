"""What was moved, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamflow.steps.export import ExportReceipt
    from streamflow.steps.import_version import ImportReceipt


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
