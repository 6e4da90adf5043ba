"""Migrations when several services start together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from conftest import Cluster

from streamflow.database import Address


def test_several_services_migrate_an_empty_database_at_once(
    server: Address, tmp_path: Path
) -> None:
    cluster, name = Cluster(address=server, template=""), f"sf_test_{uuid4().hex[:12]}"
    try:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "streamflow", "migrate"],
                env={**os.environ, **cluster.variables(name, tmp_path / str(i))},
                umask=0,  # as some build machines have it
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]
        ended = [(*process.communicate(timeout=240), process.returncode) for process in processes]
        assert [code for _, _, code in ended] == [0, 0], ended
        first, second = sorted((out for out, _, _ in ended), key=len, reverse=True)
        assert "MLflow's tables" in first
        assert "Feast registry" in first
        # the database itself is made before the lock, which lies in it: by either of them
        assert second in ("[OK] nothing to migrate\n", f"  database {name}\n[OK] 1 change made\n")
        written = [
            path for i in range(2) for path in (tmp_path / str(i), *(tmp_path / str(i)).rglob("*"))
        ]
        assert written
        assert [
            path for path in written if path.stat().st_mode & 0o022
        ] == []  # nobody else may plant a feature definition
    finally:
        cluster.drop(name)
