"""Label and panel honesty: look for what makes a training set or its labels untrustworthy.

The checks run before a model is registered. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from streamflow.core.training import panel_honesty
from streamflow.core.training.column_honesty import find_constant_columns, find_deciding_columns
from streamflow.core.training.honesty import HonestyFinding, HonestyReport, check_label_period
from streamflow.core.training.leak_warnings import find_leak_warnings
from streamflow.core.training.training_set import Source, TrainingSet
from streamflow.platform import Platform
from streamflow.steps.data.frozen_checks import load_intact
from streamflow.steps.data.loaded_rows import load
from streamflow.steps.training.previous_drops import (
    PreviousDrops,
    compare_counters,
    compare_labelled_drop,
    count_who_stayed,
    read_keys_and_labels,
    sample_evenly,
)
from streamflow.warehouse import late_data


def check_label_honesty(platform: Platform, rows: TrainingSet) -> HonestyReport:
    """Run every check of each month of a training set, as known at its K.

    The checks look at the month alone, at revisions that came after the labels, and at the drops
    before the month's drop. A finding about an earlier month says of which one.
    """
    report = _check_month(platform, rows)
    findings = list(report.findings)
    for month in reversed(rows.earlier):
        prefix = f"month of {month.as_of:%Y-%m-%d}: "
        findings += [
            replace(finding, words=prefix + finding.words)
            for finding in _check_month(platform, month).findings
        ]
    return replace(report, rows=rows.row_count, findings=tuple(findings))


def _check_month(platform: Platform, rows: TrainingSet) -> HonestyReport:
    previous_drops = PreviousDrops(platform, rows)
    sample = sample_evenly(rows.frame)
    same_lead_drop = previous_drops.find_labelled(rows.label_lead)
    own_label_drop = previous_drops.find_labelled(0)
    load(platform, previous_drops.list_revisions({same_lead_drop, own_label_drop}))
    labels = {
        drops: read_keys_and_labels(platform, drops)
        for drops in {same_lead_drop, own_label_drop}
        if drops
    }
    findings = [
        *check_label_period(rows.as_of, rows.label_as_of),
        *find_deciding_columns(sample.select(rows.features), sample[rows.label].to_numpy()),
        *find_leak_warnings(sample.select(rows.features), sample[rows.label].to_numpy()),
        *_check_late_revisions(platform, rows),
        *find_constant_columns(rows.matrix),
        *compare_counters(platform, rows, previous_drops, sample[rows.key]),
    ]
    if own_label_drop:
        findings += count_who_stayed(platform, rows, own_label_drop, labels[own_label_drop])
    if same_lead_drop:
        former_labels = labels[same_lead_drop]
        findings += compare_labelled_drop(platform, rows, same_lead_drop, former_labels, sample)
    else:
        findings.append(_note_without_previous(rows))
    return HonestyReport(
        as_of=rows.as_of.date(),
        label_as_of=rows.label_as_of.date(),
        label_lead=rows.label_lead,
        previous=same_lead_drop.as_of.date() if same_lead_drop else None,
        rows=len(rows.frame),
        findings=tuple(findings),
    )


def _note_without_previous(rows: TrainingSet) -> HonestyFinding:
    sentence = (
        f"no drop before {rows.as_of:%Y-%m-%d} has labels:"
        " the base rate and the label rule are not compared"
    )
    return HonestyFinding(check="previous-drop", severity="note", words=sentence)


def _check_late_revisions(platform: Platform, rows: TrainingSet) -> Iterator[HonestyFinding]:
    """Check the feature revisions that became known after the labels.

    Such a revision may have changed the values of one class far more than those of the second.
    """
    label_known_at = late_data.first_known_at(
        platform.connection, platform.catalog.label.table, rows.label_as_of
    )
    for source in _newest_of_each_table(platform, rows):
        features = [
            feature.name for feature in platform.catalog.features if feature.table == source.table
        ]
        if not features or source.known_at <= label_known_at:
            continue
        former = late_data.newest_known_revision(
            platform.connection, source.table, source.as_of, label_known_at
        )
        if former is None:
            yield _note_unchecked(source, "no revision of it was known before")
            continue
        former_number, is_frozen = former
        if not is_frozen:
            yield _note_unchecked(source, "the revision known before was pruned")
            continue
        load_intact(platform, [source])
        load(platform, [(source.table, source.as_of, former_number)])
        changed = late_data.changed_columns(
            platform.address,
            source,
            former_number,
            rows.key,
            features,
        )
        yield from _check_changed_values(rows, source, changed, features)


def _note_unchecked(source: Source, reason: str) -> HonestyFinding:
    sentence = (
        f"{source}, came after the labels, and {reason}:"
        " what it reveals about the outcome is not checked"
    )
    return HonestyFinding(
        check="late-features",
        severity="note",
        subject=source.table,
        words=sentence,
    )


def _check_changed_values(
    rows: TrainingSet,
    source: Source,
    changed: pl.DataFrame,
    features: list[str],
) -> Iterator[HonestyFinding]:
    """Check each feature of a late revision; `changed` says for each key which ones changed."""
    labels = rows.labels.astype(bool)
    for name in features:
        changed_keys = changed.filter(pl.col(name))[rows.key]
        is_changed = rows.frame[rows.key].is_in(changed_keys.implode()).to_numpy()
        yield from panel_honesty.check_late_revision(name, str(source), is_changed, labels)


def _newest_of_each_table(platform: Platform, rows: TrainingSet) -> Iterator[Source]:
    """Yield the newest revision of each feature table: nearly every feature comes from these.

    The revisions of older drops give the features of only a few keys.
    """
    for table in platform.catalog.feature_tables:
        sources = [
            source
            for source in rows.sources
            if source.table == table and source.as_of <= rows.as_of
        ]
        if sources:
            yield max(sources, key=lambda source: source.as_of)
