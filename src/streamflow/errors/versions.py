"""Errors about trainings, model versions and the ledger of their stages."""

from streamflow.base_error import StreamflowError


class TrainingImpossible(StreamflowError):
    """No model can be trained on the training set."""

    exit_code = 10
    state = "No run and no model version was written."
    remedy = "Look at the rows with 'streamflow training-set --as-of D --out FILE'."


class TemporalViolation(StreamflowError):
    """Values of a training set or an aggregate were not known, or not valid, at their as_of.

    `violations` lists them.
    """

    exit_code = 24
    state = "No run and no model version was written."
    remedy = "Compare each cell above with its frozen row; run 'streamflow doctor', too."


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


class ImportRefused(StreamflowError):
    """An exported version cannot be imported: its rows would change a drop that is known here."""

    exit_code = 25
    remedy = "Import it into a different installation: streamflow --home DIR import FILE."


class LedgerChanged(StreamflowError):
    """The ledger got a new entry after the page with the form was loaded."""

    exit_code = 49
    http_status = 409
    remedy = "Look at the ledger again ('streamflow ledger'), and decide anew."
