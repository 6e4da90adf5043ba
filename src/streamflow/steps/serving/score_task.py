"""The task of one scoring: the version, the rows and the policy that decide every probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from streamflow.catalog import Catalog
from streamflow.core.serving.completeness import CompletenessPolicy
from streamflow.core.serving.service_policy import build_policy
from streamflow.core.statistics.threshold import comparable_threshold
from streamflow.core.versions.version_files import DECISION, MODEL
from streamflow.database.known_at import current_known_at
from streamflow.errors import SnapshotMissing, VersionMissing
from streamflow.features.drop_features import PopulationView, as_of_column, views_at
from streamflow.platform import Platform
from streamflow.steps.serving.answers import AnswerRule
from streamflow.steps.serving.explain import top_reasons_json
from streamflow.steps.serving.serving_version import read_features
from streamflow.steps.stages.transitions import reconcile, version_in_stage
from streamflow.steps.versions.registered_version import (
    LoadedVersion,
    RecordedVersion,
    load_answering,
)
from streamflow.warehouse import frozen, ledger
from streamflow.warehouse.frozen import Revision

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor
    from streamflow.models.registry import ModelVersion

EVIDENCE_FORM = 1  # of the evidence: a different form makes a different run


@dataclass(frozen=True, kw_only=True)
class ScoreTask:
    """Everything that decides the score of each key.

    revisions    the revisions that the features and the keys are read from
    population   the revision whose keys are scored
    feature_types  feature -> its type in the catalog
    """

    at: datetime
    known_at: datetime
    record: RecordedVersion
    predictor: Predictor
    views: tuple[PopulationView, ...]
    policy: CompletenessPolicy
    revisions: tuple[Revision, ...]
    population: Revision
    feature_types: Mapping[str, str]
    explain: bool

    @property
    def version(self) -> ModelVersion:
        """Return the version that scores."""
        return self.record.version

    def make_rule(self, catalog: Catalog) -> AnswerRule:
        """Return what answers a row. Without reasons it has only the parts that predict."""
        predictor = self.predictor
        return AnswerRule(
            key=catalog.entity.key,
            at=self.at,
            policy=self.policy,
            as_of_columns={view.name: as_of_column(view.name) for view in self.views},
            threshold=comparable_threshold(predictor.threshold),
            probability=predictor.without_reasons,
            reasons=partial(top_reasons_json, catalog, predictor) if self.explain else None,
        )

    @property
    def evidence(self) -> dict[str, Any]:
        """Return JSON values that are equal for all tasks that give the same scores."""
        digests = self.record.file_digests
        return {
            "form": EVIDENCE_FORM,
            "as_of": self.at.isoformat(),
            "run_id": self.version.run_id,
            "version": self.version.version,
            "digests": {
                MODEL.tag: digests[MODEL],
                DECISION.tag: digests[DECISION],
                "feature_service": self.record.feature_service,
            },
            "nullable": sorted(
                feature.name for feature in self.policy.features if feature.nullable
            ),
            "policy": self.policy.declared,
            "explained": self.explain,
            "revisions": [
                [revision.table, revision.as_of.isoformat(), revision.revision, revision.digest]
                for revision in self.revisions
            ],
        }


def plan_scoring(
    platform: Platform,
    as_of: datetime,
    version_number: int | None,
    *,
    explain: bool,
) -> ScoreTask:
    """Find the version, the revisions and the policy for scoring the drop of `as_of`.

    Args:
        version_number: the version that scores; None for the version in Production.

    Raises:
        VersionMissing: the version does not exist, or none is in Production.
        NotMigrated: the feature service of the version is not defined here.
        SnapshotMissing: the drop is not frozen.
        ArtifactUntrusted: the version is not as it was registered.
    """
    loaded = _load_version(platform, version_number)
    features = read_features(platform, loaded.record)
    known_at = current_known_at(platform.connection)
    newest = frozen.revisions(platform.connection, known_at=known_at, last=as_of)
    population = _population_revision(newest, platform.catalog.entity.table, as_of)
    views = views_at(features, as_of, _revisions_by_table(newest))
    revisions_read = {(population.table, population.as_of, population.revision)}
    for view in views:
        revisions_read |= {(view.table, *revision) for revision in view.revisions}
    return ScoreTask(
        at=as_of,
        known_at=known_at,
        record=loaded.record,
        predictor=loaded.predictor,
        views=views,
        policy=build_policy(platform.catalog, [feature.ref for feature in features]),
        revisions=tuple(
            revision
            for revision in newest
            if (revision.table, revision.as_of, revision.revision) in revisions_read
        ),
        population=population,
        feature_types={feature.name: feature.type for feature in features},
        explain=explain,
    )


def _load_version(platform: Platform, version_number: int | None) -> LoadedVersion:
    """Load a version, or that in Production; a change made in MLflow is entered first."""
    reconcile(platform)
    with ledger.lock_ledger_shared(platform.connection):
        if version_number is None:
            version = version_in_stage(platform)
        else:
            version = platform.models.version(version_number)
        if version is None:
            raise VersionMissing(f"no version of {platform.catalog.model} is in Production")
        return load_answering(platform, version)


def _population_revision(
    newest: Sequence[Revision],
    entity_table: str,
    as_of: datetime,
) -> Revision:
    """Return the revision of the entity's own table whose keys are scored."""
    revisions = [revision for revision in newest if revision.table == entity_table]
    for revision in revisions:
        if revision.as_of == as_of:
            return revision
    days = ", ".join(f"{revision.as_of:%Y-%m-%d}" for revision in revisions) or "none"
    raise SnapshotMissing(
        f"there is no snapshot of {as_of:%Y-%m-%d}; frozen until then are: {days}"
    )


def _revisions_by_table(revisions: Sequence[Revision]) -> dict[str, list[tuple[datetime, int]]]:
    """Return table -> the as_of and the number of each of its revisions."""
    by_table: dict[str, list[tuple[datetime, int]]] = {}
    for revision in revisions:
        by_table.setdefault(revision.table, []).append((revision.as_of, revision.revision))
    return by_table
