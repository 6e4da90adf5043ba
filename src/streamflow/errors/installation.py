"""Errors about an installation: its settings, catalog, database, services and backups."""

from streamflow.base_error import StreamflowError


class SettingsInvalid(StreamflowError):
    """A setting or `streamflow.toml` cannot be used."""

    exit_code = 5
    remedy = "Run 'streamflow settings' to see each setting, its value and where it comes from."


class CatalogInvalid(StreamflowError):
    """The catalog contradicts itself or the database."""

    exit_code = 6
    remedy = "Correct the catalog and run 'streamflow migrate --plan' again."


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


class FeatureFileInvalid(StreamflowError):
    """A file with Feast objects of your own cannot be used; Feast's registry is as it was."""

    exit_code = 63
    state = "Feast's registry is as it was."
    remedy = "Correct the file and run 'streamflow migrate' again."


class NotMigrated(StreamflowError):
    """The database is older than the code or the catalog."""

    exit_code = 13
    http_status = 503
    remedy = "Run 'streamflow migrate'."


class DatabaseInUse(StreamflowError):
    """A change needs the services stopped, and some are still connected to the database."""

    exit_code = 28
    state = "Nothing was changed."
    remedy = "Stop the services and run the command again."


class DifferentCatalog(StreamflowError):
    """This installation uses a different catalog than the command."""

    exit_code = 37
    http_status = 503
    remedy = (
        "Leave --catalog and STREAMFLOW_CATALOG out, or name the catalog of this installation."
        " If you want to replace it, run 'streamflow --catalog FILE migrate --change-catalog'."
    )


class PackagesMissing(StreamflowError):
    """Packages are not installed that this work needs; `facts['extra']` is the extra with them."""

    exit_code = 60
    http_status = 501
    state = "What was not committed is rolled back."


class EngineUnavailable(StreamflowError):
    """The Spark Connect server of the setting spark_remote cannot be reached or refuses."""

    exit_code = 65
    http_status = 503
    retryable = True
    remedy = "Start the server or correct spark_remote. With engine = local no server is needed."


class EngineFailed(StreamflowError):
    """The Spark Connect server could not do the work of a step."""

    exit_code = 66
    state = "What was not committed is rolled back."
    remedy = "Read the server's log. With engine = local the step runs without the server."


class PortTaken(StreamflowError):
    """A requested port is in use."""

    exit_code = 18
    remedy = "Name a different port with --port, or 0 for any free port."


class ServiceFailed(StreamflowError):
    """A child process did not become ready, or ended during the work."""

    exit_code = 19
    state = "What was not committed is rolled back."
    remedy = "Read its log, in the folder 'logs' of the state folder."


class BackupDamaged(StreamflowError):
    """A file is not a backup, or a part of it differs from its manifest."""

    exit_code = 22
    remedy = "Use a different backup. 'streamflow restore FILE --check' verifies it first."


class RestoreRefused(StreamflowError):
    """A backup cannot be restored: the target is not empty, or the code is older than it."""

    exit_code = 23
    remedy = "Restore into a different state folder (--home), or into different databases."


class UninstallRefused(StreamflowError):
    """An installation is in use, or the named folder is not a state folder of streamflow."""

    exit_code = 31
    state = "Nothing was deleted."
    remedy = "Name the state folder: streamflow --home DIR uninstall."
