"""What is said about an import that failed."""

from __future__ import annotations

import pytest

from streamflow.api.reload import _describe_reason
from streamflow.errors import ArtifactUntrusted
from streamflow.packages import explain_missing_package


@pytest.mark.parametrize(
    ("module", "at_least", "extra"),
    [
        ("feast.infra", "serve", "train"),
        ("polars", "serve", "console"),
        ("polars", "train", "train"),
        ("fastapi", "console", "console"),
        ("feast", "serve", "train"),
    ],
)
def test_the_extra_is_that_of_the_work_or_the_larger_one_that_brings_the_package(
    module: str, at_least: str, extra: str
) -> None:
    error = explain_missing_package(ModuleNotFoundError(name=module), at_least=at_least)
    assert error is not None
    assert error.facts["extra"] == extra
    assert f"pip install 'streamflow-churn[{extra}]'" in str(error)
    assert error.message == f"the package {module.partition('.')[0]} is not installed"


def test_a_module_that_no_extra_brings_is_no_missing_extra() -> None:
    assert explain_missing_package(ModuleNotFoundError(name="streamflow.nothing")) is None
    assert explain_missing_package(ModuleNotFoundError("no name")) is None


def test_the_api_names_the_package_for_want_of_which_a_version_is_not_served() -> None:
    missing = _describe_reason(ModuleNotFoundError(name="sqlalchemy.orm"))
    assert missing == "the package sqlalchemy is not installed"
    assert _describe_reason(ModuleNotFoundError(name="a_secret")) == "ModuleNotFoundError"
    assert _describe_reason(ArtifactUntrusted("the file was changed")) == "the file was changed"
    assert _describe_reason(ValueError("a path")) == "ValueError"
