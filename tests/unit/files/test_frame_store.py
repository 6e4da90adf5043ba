"""Frames on disk: what is read is what was written, and no file with a name is left."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from streamflow.errors import DiskFull
from streamflow.files import frame_store
from streamflow.files.frame_store import FrameStore

FRAMES = [
    pl.DataFrame({
        "user": ["a", "a text that is longer than twelve bytes", None],
        "fee": [1.5, None, float("nan")],
        "months": pl.Series([1, None, 3], dtype=pl.Int64),
        "left": [True, None, False],
        "at": pl.Series([datetime(2024, 1, 31, tzinfo=UTC), None, None]).cast(
            pl.Datetime("us", "UTC")
        ),
    }),
    pl.DataFrame({"user": [], "fee": []}, schema={"user": pl.String, "fee": pl.Float64}),
    pl.concat([pl.DataFrame({"n": range(size)}) for size in (70_000, 3)], rechunk=False),
]  # fmt: skip


def open_files() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_each_frame_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = FrameStore(tmp_path / "new folder")
    stored = [store.add(frame) for frame in FRAMES]
    for frame, entry in zip(FRAMES * 2, stored * 2, strict=True):
        assert_frame_equal(entry.read(), frame)
    assert stored[0]._repr_html_() == FRAMES[0]._repr_html_()


def test_no_file_has_a_name_and_the_last_user_closes_it(tmp_path: Path) -> None:
    before = open_files()
    stored = FrameStore(tmp_path).add(FRAMES[0])
    assert list(tmp_path.iterdir()) == []
    assert open_files() == before + 1
    long_texts = stored.read()["user"].filter(pl.Series([False, True, False]))
    del stored
    # The text lies in the mapped file, whose space is free when the text is gone.
    assert long_texts.to_list() == FRAMES[0]["user"][1:2].to_list()
    del long_texts
    assert open_files() == before


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(frame_store, "TemporaryFile", lambda **_: full)
        with pytest.raises(DiskFull, match=str(tmp_path)):
            FrameStore(tmp_path).add(FRAMES[0])
