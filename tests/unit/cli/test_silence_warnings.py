"""No warning of a library reaches the terminal of a command."""

from __future__ import annotations

import warnings

import pytest

from streamflow.cli.app import silence_warnings


def test_a_filter_that_a_thread_restored_prints_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        silence_warnings()
        # So ends a race of two `catch_warnings` of scikit-learn's threads.
        warnings.resetwarnings()
        warnings.simplefilter("always")
        warnings.warn("the next release changes this", FutureWarning, stacklevel=1)
    assert capsys.readouterr().err == ""
