"""A drop that cannot be written leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamflow.catalog import DEFAULT_PATH, load_catalog
from streamflow.errors import StreamflowError
from streamflow.steps.data.drop_upload import DropUpload


def test_a_full_disk_is_named_and_nothing_stays(tmp_path: Path) -> None:
    catalog = load_catalog(DEFAULT_PATH)
    platform: Any = SimpleNamespace(catalog=catalog, settings=SimpleNamespace(inbox=tmp_path))
    name = catalog.file(next(iter(catalog.frozen_tables)))
    folder = tmp_path / ".x.partial"
    folder.mkdir()
    (folder / name).symlink_to("/dev/full")
    upload = DropUpload(platform, "x")
    upload.begin_file(name)
    upload.write(b"x" * 3_000)
    with pytest.raises(StreamflowError, match="No space left"):
        upload.write(b"x" * 3_000)
    upload.discard()
    assert list(tmp_path.iterdir()) == []
