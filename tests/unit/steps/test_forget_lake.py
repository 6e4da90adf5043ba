"""What `forget` says when the lake cannot be cleaned after the erasure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streamflow.errors import LakeUnavailable
from streamflow.platform import Platform
from streamflow.steps.data import forget as module


def test_an_erasure_whose_files_are_left_is_not_called_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(_: Platform) -> int:
        raise LakeUnavailable("the store does not answer")

    monkeypatch.setattr(
        module, "_forget", lambda *_, **__: module.ForgetReceipt(rows={}, erased=())
    )
    monkeypatch.setattr(module, "clean_lake", refuse)
    platform = cast("Any", SimpleNamespace(observer=None, home=tmp_path))
    with pytest.raises(LakeUnavailable) as refused:
        module.forget(platform, "a", why="a request")
    assert "was erased" in refused.value.state
    assert "forget" in refused.value.remedy
