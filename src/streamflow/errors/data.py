"""Errors about drops, frozen rows and labels."""

from streamflow.base_error import StreamflowError


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


class LakeUnavailable(StreamflowError):
    """The folder or the object store of the lake cannot be read or written."""

    exit_code = 61
    http_status = 503
    remedy = (
        "Check the setting 'lake', the rights on the folder, or the variables AWS_* of the object"
        " store. Then run the command again."
    )


class LabelsMissing(StreamflowError):
    """The drop that should hold the labels has no labels. No different labels are used instead."""

    exit_code = 9
    remedy = "Deliver the label file with 'streamflow run DIR --as-of D', or name a different drop."
