"""Every error that a user can meet, in one tree.

StreamflowError
├── SettingsInvalid          a setting or streamflow.toml cannot be used
├── CatalogInvalid           the catalog contradicts itself or the database
├── ContractViolation        a drop breaks its schema; nothing was written
├── DropConflict             a drop equals a different drop, or is not known
├── SnapshotMissing          the requested frozen rows do not exist
├── SnapshotDamaged          frozen rows have changed since they were frozen
├── LabelsMissing            the drop that should hold the labels has no labels
├── TrainingImpossible       no model can be trained on the training set
├── TemporalViolation        a training set holds a value that was not known, or not yet true
├── DatabaseUnavailable      PostgreSQL cannot be started or reached
├── DiskFull                 the disk of the database or of the state folder is full
├── PermissionMissing        the database role may not do this; the SQL is shown
├── NotMigrated              the database is older than the code or the catalog
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
├── LedgerChanged            the ledger has a newer entry than the person saw who asks for a change
├── Overloaded               there are more requests than can be answered in time
├── ApiKeyUnknown            no API key in force has this name or id
├── PortTaken                a requested port is in use
└── ServiceFailed            a child process did not become ready, or ended too early

Exit code 2 is a usage error, 1 is a verdict such as "differs"; errors have the codes from 3 on.
"""

from streamflow.base_error import StreamflowError as StreamflowError  # noqa: PLC0414


class SettingsInvalid(StreamflowError):
    """A setting or `streamflow.toml` cannot be used."""

    exit_code = 5
    remedy = "Run 'streamflow settings' to see each setting, its value and where it comes from."


class CatalogInvalid(StreamflowError):
    """The catalog contradicts itself or the database."""

    exit_code = 6
    remedy = "Correct the catalog and run 'streamflow migrate --plan' again."


class ContractViolation(StreamflowError):
    """A drop breaks its schema; nothing was written. `violations` lists all breaks."""

    http_status = 422
    state = "Nothing was written;"
    remedy = "correct the file and run 'streamflow ingest' again."


class DropConflict(StreamflowError):
    """A drop equals a different drop, or is not known."""

    exit_code = 7
    state = "Nothing was written."
    remedy = "Run 'streamflow snapshots' to see the known drops."


class SnapshotMissing(StreamflowError):
    """The requested frozen rows do not exist."""

    exit_code = 8
    http_status = 404
    remedy = "'streamflow snapshots' shows what is frozen; 'run DIR --as-of D' adds a drop."


class SnapshotDamaged(StreamflowError):
    """Frozen rows have changed since they were frozen: their digest differs from the record."""

    exit_code = 20
    remedy = "Restore a backup, or deliver the drop again: this freezes a new revision beside it."


class LabelsMissing(StreamflowError):
    """The drop that should hold the labels has no labels. No different labels are used instead."""

    exit_code = 9
    remedy = "Deliver the label file with 'streamflow run DIR --as-of D', or name a different drop."


class TrainingImpossible(StreamflowError):
    """No model can be trained on the training set."""

    exit_code = 10
    state = "No run and no model version was written."
    remedy = "Look at the rows with 'streamflow training-set --as-of D --out FILE'."


class TemporalViolation(StreamflowError):
    """A training set or an aggregate has values not yet known or true; `violations` lists them."""

    exit_code = 24
    state = "No run and no model version was written."
    remedy = "Compare each cell above with its frozen row; run 'streamflow doctor', too."


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
    """The database role may not do this; an administrator must run the SQL in `facts['sql']`."""

    exit_code = 12
    remedy = "Ask an administrator to run the SQL above, then run 'streamflow migrate' again."


class NotMigrated(StreamflowError):
    """The database is older than the code or the catalog."""

    exit_code = 13
    http_status = 503
    remedy = "Run 'streamflow migrate'."


class DifferentCatalog(StreamflowError):
    """This installation uses a different catalog than the command."""

    exit_code = 37
    http_status = 503
    remedy = (
        "Leave --catalog and STREAMFLOW_CATALOG out, or name the catalog of this installation."
        " If you want to replace it, run 'streamflow --catalog FILE migrate --change-catalog'."
    )


class VersionMissing(StreamflowError):
    """The model version does not exist, or no version is in Production."""

    exit_code = 14
    http_status = 503
    remedy = "'streamflow models' lists the versions; 'streamflow promote VERSION' serves one."


class ModelRenamed(StreamflowError):
    """The registered model was renamed in MLflow, so that its versions are not found."""

    exit_code = 36
    http_status = 503
    remedy = "Rename it back in MLflow, or run 'streamflow doctor --fix', which does that."


class ArtifactUntrusted(StreamflowError):
    """A version is not what was registered, or its files cannot be used; they were not used."""

    exit_code = 15
    http_status = 503
    remedy = "Promote a different version, or train again with 'streamflow train --as-of D'."


class NotRebuildable(StreamflowError):
    """Some inputs of a version are missing; `missing` lists them."""

    exit_code = 4
    remedy = "Import an export of this version, or restore a backup that holds the missing parts."


class EntityUnknown(StreamflowError):
    """This key has no features in the online store."""

    exit_code = 16
    http_status = 404
    remedy = "Check the key; a key that is not in the newest drop has no features online."


class FeaturesMissing(StreamflowError):
    """Some features of this key have no value although the catalog promises one."""

    exit_code = 17
    http_status = 422
    remedy = "Run 'streamflow materialize' after the newest drop is frozen."


class Overloaded(StreamflowError):
    """There are too many requests, or PostgreSQL takes longer than a request may wait."""

    exit_code = 27
    http_status = 503
    retryable = True
    remedy = "Send the request again later; api_time_limit and api_max_waiting are the limits."


class FeaturesStale(StreamflowError):
    """Some features of this key are older than the catalog allows."""

    exit_code = 26
    http_status = 503  # The request is not wrong: it succeeds after the next materialization.
    remedy = "Freeze a newer drop and run 'streamflow materialize'; max_age_days is the limit."


class FeastUnsupported(StreamflowError, NotImplementedError):
    """Feast asks our stores for something that they do not do."""

    exit_code = 38
    remedy = "docs/feast.md lists what our stores do, and what to use instead."


class ApiKeyUnknown(StreamflowError):
    """No API key that is in force has this name or id."""

    exit_code = 30
    http_status = 404
    remedy = "Run 'streamflow keys list' to see the keys."


class PortTaken(StreamflowError):
    """A requested port is in use."""

    exit_code = 18
    remedy = "Name a different port with --port, or 0 for any free port."


class ServiceFailed(StreamflowError):
    """A child process did not become ready, or ended during the work."""

    exit_code = 19
    remedy = "Read its log, named above."


class BackupDamaged(StreamflowError):
    """A file is not a backup, or a part of it differs from its manifest."""

    exit_code = 22
    remedy = "Use a different backup. 'streamflow restore FILE --check' verifies it first."


class RestoreRefused(StreamflowError):
    """A backup cannot be restored: the target is not empty, or the code is older than it."""

    exit_code = 23
    remedy = "Restore into a different state folder (--home), or into different databases."


class ImportRefused(StreamflowError):
    """An exported version cannot be imported: its rows would change a drop that is known here."""

    exit_code = 25
    remedy = "Import it into a different installation: streamflow --home DIR import FILE."


class UninstallRefused(StreamflowError):
    """An installation is in use, or the named folder is not a state folder of streamflow."""

    exit_code = 31
    state = "Nothing was deleted."
    remedy = "Name the state folder: streamflow --home DIR uninstall."


class NothingScored(StreamflowError):
    """No drop was scored yet, or the newest one was not added up: there is nothing to list."""

    exit_code = 47
    http_status = 404
    state = ""
    remedy = "Run 'streamflow score --as-of D --explain'."


class FilterInvalid(StreamflowError):
    """A list of users cannot be filtered or continued like this."""

    exit_code = 48
    http_status = 422
    remedy = "Run 'streamflow at-risk' without a filter to see the columns and their categories."


class LedgerChanged(StreamflowError):
    """The ledger has a newer entry than the person saw who asks for a change."""

    exit_code = 49
    http_status = 409
    remedy = "Look at the ledger again ('streamflow ledger'), and decide anew."
