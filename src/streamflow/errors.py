"""Every error that a user can meet, in one tree.

StreamflowError
├── SettingsInvalid          a setting or streamflow.toml cannot be used
├── CatalogInvalid           the catalog contradicts itself or the database
├── ContractViolation        a drop breaks its schema; nothing was written
├── DropConflict             a drop equals another one, or is not known
├── SnapshotMissing          frozen rows are asked for that do not exist
├── SnapshotDamaged          frozen rows are not those that were frozen
├── LabelsMissing            the drop that should hold the labels has none
├── TrainingImpossible       the training set cannot be learned from
├── TemporalViolation        a training set holds what was not known, or not yet
├── DatabaseUnavailable      PostgreSQL cannot be started or reached
├── DiskFull                 the disk of the database or of the state folder is full
├── PermissionMissing        the database role may not do this; the SQL is shown
├── NotMigrated              the database is older than the code or the catalog
├── VersionMissing           no such model version, or none in Production
├── ArtifactUntrusted        a model file is not the one that was registered
├── NotRebuildable           what a version was made from is not all there
├── EntityUnknown            no features for this key
├── FeaturesMissing          some features of this key have no value
├── FeaturesStale            some features of this key are older than the catalog allows
├── BackupDamaged            a file is no backup, or not what its manifest says
├── RestoreRefused           a backup cannot be restored here
├── ImportRefused            an exported version cannot be taken in here
├── Overloaded               more is asked than can be answered in time
├── ApiKeyUnknown            no key of the API in force has this name or id
├── PortTaken                a port that was asked for is in use
└── ServiceFailed            a child process did not become ready

Each class knows its exit code (2 is a usage error, 1 a verdict such as "differs", ours start at 3), its HTTP status and its
remedy. Facts are attributes. A message says where and what; `state` what was
left behind; `remedy` what to do next.
"""

from __future__ import annotations

import re


class StreamflowError(Exception):
    """Base of all errors of streamflow."""

    exit_code = 3
    http_status = 500
    retryable = False  # asked by the flows, and by nothing else
    state = "Nothing was changed."
    remedy = "Run the command again with --debug and read the traceback."

    def __init__(
        self, message: str, *, state: str | None = None, remedy: str | None = None, **facts: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.state = self.state if state is None else state
        self.remedy = self.remedy if remedy is None else remedy
        self.facts = facts

    @property
    def code(self) -> str:
        """Stable name for machines: `ContractViolation` -> `contract_violation`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def __str__(self) -> str:
        return f"{self.message}\n{self.state} {self.remedy}".rstrip()


class SettingsInvalid(StreamflowError):
    """A setting or `streamflow.toml` cannot be used."""

    exit_code = 5
    remedy = "Run 'streamflow settings' to see each setting, its value and where it comes from."


class CatalogInvalid(StreamflowError):
    """The catalog contradicts itself or the database."""

    exit_code = 6
    remedy = "Correct the catalog and run 'streamflow migrate --plan' again."


class ContractViolation(StreamflowError):
    """A drop breaks its schema; nothing was written. `violations` lists all of them."""

    exit_code = 3
    http_status = 422
    state = "Nothing was written;"
    remedy = "correct the file and run 'streamflow ingest' again."


class DropConflict(StreamflowError):
    """A drop equals another one, or is not known."""

    exit_code = 7
    state = "Nothing was written."
    remedy = "Run 'streamflow snapshots' to see the drops that are known."


class SnapshotMissing(StreamflowError):
    """Frozen rows are asked for that do not exist."""

    exit_code = 8
    http_status = 404
    remedy = "Run 'streamflow snapshots' to see what is frozen, and 'streamflow run DIR --as-of D' to add a drop."


class SnapshotDamaged(StreamflowError):
    """Frozen rows are not those that were frozen: their digest differs from the recorded one."""

    exit_code = 20
    remedy = "Restore the database from a backup, or deliver the drop anew: a new revision is frozen beside the damaged one."


class LabelsMissing(StreamflowError):
    """The drop that should hold the labels has none. There is no fall-back to other labels."""

    exit_code = 9
    remedy = "Deliver the label file of that drop with 'streamflow run DIR --as-of D', or name another drop."


class TrainingImpossible(StreamflowError):
    """The training set cannot be learned from."""

    exit_code = 10
    state = "No run and no model version was written."
    remedy = "Look at the rows with 'streamflow training-set --as-of D --out FILE'."


class TemporalViolation(StreamflowError):
    """A training set holds a value that was not known at K, or not yet true as of D; `violations` lists them."""

    exit_code = 24
    state = "No run and no model version was written."
    remedy = "Compare each cell above with the frozen row that belongs there; 'streamflow doctor' looks at what protects frozen rows."


class DatabaseUnavailable(StreamflowError):
    """PostgreSQL cannot be started or reached."""

    exit_code = 11
    http_status = 503
    retryable = True
    remedy = "Run 'streamflow doctor'."


class DiskFull(StreamflowError):
    """The disk of the database or of the state folder is full."""

    exit_code = 21
    http_status = 503
    state = "What was not committed is rolled back."
    remedy = "Free some space there and run the command again."


class PermissionMissing(StreamflowError):
    """The database role may not do this; `facts['sql']` holds what an administrator has to run."""

    exit_code = 12
    remedy = "Let an administrator of the database run the SQL above, then run 'streamflow migrate' again."


class NotMigrated(StreamflowError):
    """The database is older than the code or the catalog."""

    exit_code = 13
    http_status = 503
    remedy = "Run 'streamflow migrate'."


class VersionMissing(StreamflowError):
    """No such model version, or none in Production."""

    exit_code = 14
    http_status = 503
    remedy = "Run 'streamflow models' to see the versions, and 'streamflow promote VERSION' to serve one."


class ArtifactUntrusted(StreamflowError):
    """A model file is not the one that was registered; it was not parsed."""

    exit_code = 15
    http_status = 503
    remedy = "Promote another version, or train again with 'streamflow train --as-of D'."


class NotRebuildable(StreamflowError):
    """What a version was made from is not all there; `missing` lists it."""

    exit_code = 4
    remedy = "Run 'streamflow import FILE' with an export of this version, or restore a backup that holds what is missing."


class EntityUnknown(StreamflowError):
    """No features for this key."""

    exit_code = 16
    http_status = 404
    remedy = "Check the key; a key that is absent from the newest drop has no features online."


class FeaturesMissing(StreamflowError):
    """Some features of this key have no value although the catalog promises one."""

    exit_code = 17
    http_status = 422
    remedy = "Run 'streamflow materialize' after the newest drop is frozen."


class Overloaded(StreamflowError):
    """More is asked than can be answered in time, or PostgreSQL takes longer than a request may wait."""

    exit_code = 27
    http_status = 503
    retryable = True
    remedy = (
        "Ask again later; 'streamflow settings' shows the limits (api_time_limit, api_max_waiting)."
    )


class FeaturesStale(StreamflowError):
    """Some features of this key are older than the catalog allows."""

    exit_code = 26
    http_status = 503  # nothing is wrong with the request: it passes with the next materialization
    remedy = "Freeze a newer drop and run 'streamflow materialize'; 'max_age_days' of a view in the catalog says what is too old."


class ApiKeyUnknown(StreamflowError):
    """No key of the API that is in force has this name or id."""

    exit_code = 30
    remedy = "Run 'streamflow keys list' to see them."


class PortTaken(StreamflowError):
    """A port that was asked for is in use."""

    exit_code = 18
    remedy = "Name another one with --port, or 0 for any free one."


class ServiceFailed(StreamflowError):
    """A child process did not become ready."""

    exit_code = 19
    remedy = "Read its log, named above."


class BackupDamaged(StreamflowError):
    """A file is no backup, or a part of it is not what its manifest says."""

    exit_code = 22
    remedy = (
        "Take another backup; 'streamflow restore FILE --check' verifies one without restoring it."
    )


class RestoreRefused(StreamflowError):
    """A backup cannot be restored here: something is there already, or the code is older than the backup."""

    exit_code = 23
    remedy = "Restore into another state folder (--home), or into other databases."


class ImportRefused(StreamflowError):
    """An exported version cannot be taken in: its frozen rows would change what this installation knows of a drop."""

    exit_code = 25
    remedy = "Import it into another installation: streamflow --home DIR import FILE."
