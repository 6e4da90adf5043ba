"""Load a version with everything that it needs to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from streamflow.catalog import Catalog
from streamflow.core.serving.completeness import CompletenessPolicy
from streamflow.core.serving.service_policy import build_policy
from streamflow.core.training.default_costs import parse_costs
from streamflow.core.versions.version_files import DEFAULT_COSTS
from streamflow.errors import NotMigrated, VersionMissing
from streamflow.features.feature_service import ServiceFeature
from streamflow.features.live_features import OnlineReader
from streamflow.platform import Platform
from streamflow.steps.stages.transitions import version_in_stage
from streamflow.steps.versions.registered_version import RecordedVersion, load_answering

if TYPE_CHECKING:
    from streamflow.models.predictor import Predictor
    from streamflow.models.registry import ModelVersion
    from streamflow.models.trial_process import TrialProcess


@dataclass(frozen=True, kw_only=True)
class Serving:
    """One version and everything that it needs to answer. All of it is swapped together.

    default_costs   the cost, on the hold-out, of the defaults of the catalog that the version was
                    trained with: feature -> name -> value
    """

    catalog: Catalog
    model: str
    version: int
    run_id: str
    predictor: Predictor
    service: str
    reader: OnlineReader
    default_costs: Mapping[str, Mapping[str, float]]

    @cached_property
    def policy(self) -> CompletenessPolicy:
        """Return what is served where a value is absent or too old.

        The current catalog decides this, not the catalog that the version was trained with.
        """
        return build_policy(self.catalog, [feature.ref for feature in self.reader.features])

    def prepare_for_requests(self) -> Serving:
        """Return the same version, which answers faster: see `Predictor.prepare_for_requests`."""
        prepared = replace(self, predictor=self.predictor.prepare_for_requests())
        _ = prepared.policy  # built here, so that no request waits for it
        return prepared


def load_serving(platform: Platform) -> Serving:
    """Load the version in Production for one answer, without scikit-learn if its kind allows it.

    Its digests are checked before its file is parsed.

    Raises:
        VersionMissing: no version is in Production.
        ArtifactUntrusted: the model file is not the registered one.
    """
    version = version_in_stage(platform)
    if version is None:
        raise VersionMissing(f"no version of {platform.catalog.model} is in Production")
    return load_serving_version(platform, version, as_arrays=True)


def load_serving_version(
    platform: Platform,
    version: ModelVersion,
    *,
    trial: TrialProcess | None = None,
    as_arrays: bool = False,
) -> Serving:
    """Load a version with everything that it needs to answer, and try it on its stored requests.

    Args:
        platform: the platform.
        version: the version as MLflow stores it.
        trial: first try the version in this process, which a wrong file may end. None: no trial.
        as_arrays: read the model file without scikit-learn, if the kind of the model allows it.

    Raises:
        ArtifactUntrusted: the version is not as it was registered, or it answers differently.
        NotMigrated: the feature service of the version is not defined here.
    """
    loaded = load_answering(platform, version, trial=trial, as_arrays=as_arrays)
    features = read_features(platform, loaded.record)
    entity = platform.catalog.entity
    return Serving(
        catalog=platform.catalog,
        model=platform.catalog.model,
        version=version.version,
        run_id=version.run_id,
        predictor=loaded.predictor,
        service=loaded.record.feature_service,
        reader=OnlineReader(features, key=entity.key, key_type=entity.type),
        default_costs=_read_default_costs(platform, loaded.record),
    )


def read_features(platform: Platform, record: RecordedVersion) -> list[ServiceFeature]:
    """Return the features of the feature service that a version was registered with.

    Raises:
        NotMigrated: the feature service is not defined here.
    """
    features = platform.read_services().get(record.feature_service)
    if features is None:
        raise NotMigrated(
            f"version {record.version.version} reads the feature service "
            f"{record.feature_service}, which is not defined here"
        )
    return features


def _read_default_costs(platform: Platform, record: RecordedVersion) -> dict[str, dict[str, float]]:
    """Return what the defaults of the version's catalog cost; empty without defaults.

    Raises:
        ArtifactUntrusted: the file of the costs is not the registered one.
    """
    digests = record.file_digests
    if DEFAULT_COSTS not in digests:
        return {}
    return parse_costs(platform.models.read_registered(record.version, DEFAULT_COSTS, digests))
