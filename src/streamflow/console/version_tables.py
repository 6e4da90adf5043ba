"""The tables of the pages about versions, made from the receipts of their steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamflow.console import formats
from streamflow.console.evidence_tables import metric_cell
from streamflow.console.tables import Cell, PageColumn, PageTable
from streamflow.console.texts import Texts
from streamflow.core.training.honesty import HonestyReport
from streamflow.steps.versions.version_record import (
    ModelVersion,
    RecordedFacts,
    ReproducedLevel,
    Reproduction,
)

# A metric, and the name of its title.
LISTED_METRICS = {
    "auc": "versions.auc",
    "auc_low": "versions.auc_low",
    "auc_high": "versions.auc_high",
    "f1": "versions.f_score",
    "accuracy": "versions.accuracy",
}
SHORT_DIGEST = 16
SEVERITY_TONES = {"severe": "up", "warning": "up", "note": ""}


def digest_cell(digest: str) -> Cell:
    """Make the cell of a digest: its first characters on the page, all of them in CSV."""
    return Cell(digest, digest[:SHORT_DIGEST] or formats.NOTHING)


def versions_table(texts: Texts, versions: Sequence[ModelVersion]) -> PageTable:
    """Make the table of versions, the newest first."""
    columns = [
        PageColumn(name="version", title=texts.get("versions.version")),
        PageColumn(name="stage", title=texts.get("versions.stage")),
        PageColumn(name="aliases", title=texts.get("versions.aliases")),
        PageColumn(name="as_of", title=texts.get("versions.as_of")),
        *(
            PageColumn(name=name, title=texts.get(title), kind="number")
            for name, title in LISTED_METRICS.items()
        ),
        PageColumn(name="created", title=texts.get("versions.created")),
    ]
    rows = []
    for version in versions:
        link = f"/versions/{version.version}"
        title = texts.get("versions.title_of", version=version.version)
        cells = [
            Cell(version.version, title, link=link),
            Cell(version.stage),
            Cell(", ".join(version.aliases)),
            Cell(version.as_of),
        ]
        cells += [metric_cell(version.metrics.get(name)) for name in LISTED_METRICS]
        cells.append(Cell(version.created, formats.format_instant(version.created)))
        rows.append(tuple(cells))
    caption = texts.get("versions.title")
    return PageTable(name="versions", caption=caption, columns=tuple(columns), rows=tuple(rows))


def metrics_table(texts: Texts, facts: RecordedFacts) -> PageTable:
    """Make the table of the metrics on the hold-out. Only the AUC has an interval."""
    columns = (
        PageColumn(name="metric", title=texts.get("version.metric")),
        PageColumn(name="value", title=texts.get("version.value"), kind="number"),
        PageColumn(name="low", title=texts.get("version.low"), kind="number"),
        PageColumn(name="high", title=texts.get("version.high"), kind="number"),
    )
    rows = []
    for name, value in facts.metrics.items():
        if name in ("auc_low", "auc_high"):
            continue
        low = facts.metrics.get(f"{name}_low")
        high = facts.metrics.get(f"{name}_high")
        number = Cell(value, formats.format_number(value)) if isinstance(value, int) else None
        rows.append((Cell(name), number or metric_cell(value), metric_cell(low), metric_cell(high)))
    caption = texts.get("version.metrics")
    return PageTable(name="metrics", caption=caption, columns=columns, rows=tuple(rows))


def candidates_table(texts: Texts, facts: RecordedFacts) -> PageTable:
    """Make the table of the kinds of model that were compared, the best first."""
    columns = (
        PageColumn(name="kind", title=texts.get("version.kind")),
        PageColumn(name="auc", title=texts.get("version.mean_auc"), kind="number"),
        PageColumn(name="lowest", title=texts.get("version.lowest"), kind="number"),
        PageColumn(name="highest", title=texts.get("version.highest"), kind="number"),
        PageColumn(name="folds", title=texts.get("version.folds"), kind="number"),
    )
    rows = [
        (
            Cell(candidate.kind),
            metric_cell(candidate.auc),
            metric_cell(min(candidate.folds)),
            metric_cell(max(candidate.folds)),
            Cell(len(candidate.folds)),
        )
        for candidate in facts.candidates
    ]
    caption = texts.get("version.candidates")
    return PageTable(name="candidates", caption=caption, columns=columns, rows=tuple(rows))


def levels_table(
    texts: Texts,
    facts: RecordedFacts,
    reproduced: Reproduction | None,
) -> PageTable:
    """Make the table of the five levels of the passport, each with what a reproduction said."""
    columns = (
        PageColumn(name="level", title=texts.get("version.level")),
        PageColumn(name="verdict", title=texts.get("version.light")),
        PageColumn(name="differences", title=texts.get("version.differences")),
        PageColumn(name="digest", title=texts.get("version.digest")),
        PageColumn(name="facts", title=texts.get("version.facts")),
    )
    compared = {level.name: level for level in reproduced.levels} if reproduced else {}
    rows = [
        (
            Cell(level.name),
            *_light_cells(texts, compared.get(level.name)),
            digest_cell(level.digest),
            Cell("; ".join(level.facts)),
        )
        for level in facts.levels
    ]
    caption = texts.get("version.levels")
    return PageTable(name="levels", caption=caption, columns=columns, rows=tuple(rows))


def _light_cells(texts: Texts, level: ReproducedLevel | None) -> tuple[Cell, Cell]:
    """Make the light of a level, and the cell of its differences."""
    if level is None:
        return Cell(None, texts.get("version.light_unknown")), Cell(None, formats.NOTHING)
    is_same = level.verdict == "same"
    word = texts.get("version.light_same" if is_same else "version.light_drifted")
    light = Cell(level.verdict, word, tone="down" if is_same else "up")
    if is_same:
        return light, Cell(None, formats.NOTHING)
    if not level.differences:
        return light, Cell(texts.get("version.counted_differences", count=level.count))
    hidden = level.count - len(level.differences)
    sentences = [*level.differences]
    if hidden:
        sentences.append(texts.get("version.more_differences", count=hidden))
    return light, Cell("; ".join(sentences))


def certificate_table(texts: Texts, certificate: Mapping[str, Any]) -> PageTable:
    """Make the table of the parts of the certificate: the newest instants that were read."""
    columns = (
        PageColumn(name="part", title=texts.get("version.part")),
        PageColumn(name="as_of", title=texts.get("version.newest_as_of")),
        PageColumn(name="known_at", title=texts.get("version.newest_known_at")),
        PageColumn(name="digest", title=texts.get("version.digest")),
    )
    rows = [
        (
            Cell(entry["name"]),
            Cell(entry["as_of"], str(entry["as_of"] or formats.NOTHING)[:10]),
            Cell(
                entry["known_at"], str(entry["known_at"] or formats.NOTHING)[:16].replace("T", " ")
            ),
            digest_cell(entry["digest"]),
        )
        for entry in certificate.get("parts", ())
    ]
    caption = texts.get("version.certificate")
    return PageTable(name="certificate", caption=caption, columns=columns, rows=tuple(rows))


def honesty_table(texts: Texts, honesty: HonestyReport | None) -> PageTable:
    """Make the table of the honesty findings, the worst first."""
    columns = (
        PageColumn(name="severity", title=texts.get("version.severity")),
        PageColumn(name="finding", title=texts.get("version.finding")),
        PageColumn(name="subject", title=texts.get("version.subject")),
    )
    findings = honesty.findings if honesty else ()
    severities = list(SEVERITY_TONES)
    rows = [
        (
            Cell(finding.severity, tone=SEVERITY_TONES[finding.severity]),
            Cell(finding.words),
            Cell(finding.subject),
        )
        for finding in sorted(findings, key=lambda finding: severities.index(finding.severity))
    ]
    caption = texts.get("version.honesty")
    return PageTable(name="honesty", caption=caption, columns=columns, rows=tuple(rows))


def files_table(texts: Texts, facts: RecordedFacts) -> PageTable:
    """Make the table of the files of a version with their recorded digests."""
    columns = (
        PageColumn(name="file", title=texts.get("version.file")),
        PageColumn(name="digest", title=texts.get("version.digest")),
    )
    rows = [(Cell(file.name), digest_cell(file.digest)) for file in facts.files]
    caption = texts.get("version.files")
    return PageTable(name="files", caption=caption, columns=columns, rows=tuple(rows))
