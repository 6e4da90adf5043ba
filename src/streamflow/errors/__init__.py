"""Every error that a user can meet, in one tree.

StreamflowError
├── SettingsInvalid          a setting or streamflow.toml cannot be used
├── CatalogInvalid           the catalog contradicts itself or the database
├── FeatureFileInvalid       a file with Feast objects of your own cannot be used
├── ContractViolation        a drop breaks its schema; nothing was written
├── DropConflict             a drop equals a different drop, or is not known
├── SnapshotMissing          the requested frozen rows do not exist
├── SnapshotDamaged          frozen rows have changed since they were frozen
├── LakeUnavailable          the place of the lake cannot be read or written
├── LabelsMissing            the drop that should hold the labels has no labels
├── TrainingImpossible       no model can be trained on the training set
├── TemporalViolation        a training set holds a value that was not known or valid at its as_of
├── DatabaseUnavailable      PostgreSQL cannot be started or reached
├── DiskFull                 the disk of the database or of the state folder is full
├── PermissionMissing        the database role may not do this; the SQL is shown
├── NotMigrated              the database is older than the code or the catalog
├── DatabaseInUse            a change needs the services stopped, and some are still connected
├── DifferentCatalog         this installation uses a different catalog than the command
├── VersionMissing           the model version does not exist, or none is in Production
├── ModelRenamed             the registered model has a different name in MLflow now
├── ArtifactUntrusted        a version is not what was registered, or cannot be used
├── NotRebuildable           some inputs of a version are missing
├── EntityUnknown            this key has no features
├── FeaturesMissing          some features of this key have no value
├── FeastUnsupported         Feast asks our stores for something that they do not do
├── FeaturesStale            some features of this key are older than the catalog allows
├── BackupDamaged            a file is not a backup, or differs from its manifest
├── RestoreRefused           a backup cannot be restored here
├── ImportRefused            an exported version cannot be imported here
├── UninstallRefused         an installation is in use, or a folder is not a state folder
├── NothingScored            no drop was scored yet, so there is no list of users
├── FilterInvalid            a list of users cannot be filtered or continued like this
├── LedgerChanged            the ledger got a new entry after the page with the form was loaded
├── Overloaded               there are more requests than can be answered in time
├── ApiKeyUnknown            no API key has this name or id
├── EngineUnavailable        the Spark Connect server cannot be reached or refuses
├── EngineFailed             the Spark Connect server could not do the work of a step
├── PackagesMissing          packages of an extra are not installed that this work needs
├── PortTaken                a requested port is in use
└── ServiceFailed            a child process did not become ready, or ended too early

Exit code 2 is a usage error, 1 is a verdict such as "differs"; errors have the codes from 3 on.
"""

from streamflow.base_error import StreamflowError
from streamflow.errors.data import (
    ContractViolation,
    DropConflict,
    LabelsMissing,
    LakeUnavailable,
    SnapshotDamaged,
    SnapshotMissing,
)
from streamflow.errors.installation import (
    BackupDamaged,
    CatalogInvalid,
    DatabaseInUse,
    DatabaseUnavailable,
    DifferentCatalog,
    DiskFull,
    EngineFailed,
    EngineUnavailable,
    FeatureFileInvalid,
    NotMigrated,
    PackagesMissing,
    PermissionMissing,
    PortTaken,
    RestoreRefused,
    ServiceFailed,
    SettingsInvalid,
    UninstallRefused,
)
from streamflow.errors.serving import (
    ApiKeyUnknown,
    EntityUnknown,
    FeastUnsupported,
    FeaturesMissing,
    FeaturesStale,
    FilterInvalid,
    NothingScored,
    Overloaded,
)
from streamflow.errors.versions import (
    ArtifactUntrusted,
    ImportRefused,
    LedgerChanged,
    ModelRenamed,
    NotRebuildable,
    TemporalViolation,
    TrainingImpossible,
    VersionMissing,
)

__all__ = [
    "ApiKeyUnknown",
    "ArtifactUntrusted",
    "BackupDamaged",
    "CatalogInvalid",
    "ContractViolation",
    "DatabaseInUse",
    "DatabaseUnavailable",
    "DifferentCatalog",
    "DiskFull",
    "DropConflict",
    "EngineFailed",
    "EngineUnavailable",
    "EntityUnknown",
    "FeastUnsupported",
    "FeatureFileInvalid",
    "FeaturesMissing",
    "FeaturesStale",
    "FilterInvalid",
    "ImportRefused",
    "LabelsMissing",
    "LakeUnavailable",
    "LedgerChanged",
    "ModelRenamed",
    "NotMigrated",
    "NotRebuildable",
    "NothingScored",
    "Overloaded",
    "PackagesMissing",
    "PermissionMissing",
    "PortTaken",
    "RestoreRefused",
    "ServiceFailed",
    "SettingsInvalid",
    "SnapshotDamaged",
    "SnapshotMissing",
    "StreamflowError",
    "TemporalViolation",
    "TrainingImpossible",
    "UninstallRefused",
    "VersionMissing",
]
