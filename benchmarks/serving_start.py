"""From start to ready: `streamflow serve` against the import of its vendors alone, in the same run.

The vendors are the modules from site-packages that a server has imported once it is ready, and
those that its trial of the version has imported in a process of its own. A second process imports
the same modules in the same order, and nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from serving_lab import Lab
from serving_servers import KINDS, ours, serving

TIMES_VENDORS, OWN_S = 1.2, 1.0
CHILD = [sys.executable, str(Path(__file__).with_name("serving_child.py"))]


def print_start(lab: Lab, starts: int) -> bool:
    """Print the medians and their ratio; whether it is what is required."""
    own_vendors = _vendors(lab)
    vendors = list(dict.fromkeys([*own_vendors, *_trial_vendors(lab)]))
    whole, alone, server_alone = [], [], []
    for _ in range(starts):
        with serving(KINDS["ours"], lab) as server:
            whole.append(server.seconds_to_ready)
        alone.append(_seconds_to_import(lab, vendors))
        server_alone.append(_seconds_to_import(lab, own_vendors))
    ratio = median(w / a for w, a in zip(whole, alone, strict=True))
    own = median(w - a for w, a in zip(whole, alone, strict=True))
    print(
        f"from start to ready {median(whole):.2f} s;"
        f" the {len(vendors)} modules of vendors of it and its trial alone {median(alone):.2f} s,"
        f" the {len(own_vendors)} of it without the trial {median(server_alone):.2f} s"
    )
    good = ratio <= TIMES_VENDORS and own <= OWN_S
    print(
        f"{'ok    ' if good else 'MISSED'} times its vendors: {ratio:.2f}, {own:.2f} s more;"
        f" at most {TIMES_VENDORS:g} and {OWN_S:g} s are required"
    )
    return good


def _vendors(lab: Lab) -> list[str]:
    """The names of the modules, as a server tells them that is ready."""
    said = lab.folder / "vendors.json"
    with serving(KINDS["ours"], lab, lambda port: [*CHILD, "serve", str(said), *ours(port)[3:]]):
        while not said.exists():
            time.sleep(0.1)
    names: list[str] = json.loads(said.read_text())
    return names


def _trial_vendors(lab: Lab) -> list[str]:
    """The names of the modules that the trial of a version imports."""
    said = subprocess.run(
        [*CHILD, "trial"], env=dict(lab.plain), stdout=subprocess.PIPE, text=True, check=True
    )
    names: list[str] = json.loads(said.stdout)
    return names


def _seconds_to_import(lab: Lab, vendors: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(
        [*CHILD, "import"], input=json.dumps(vendors), text=True, env=dict(lab.plain), check=True
    )
    return time.perf_counter() - begin
