"""Run all benchmarks one after the other, and print one table of their ratios at the end.

FORM=short takes small data and few runs. A ratio that needs a million users is then measured and
not judged.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ratios import FILE, IS_SHORT, Ratio, read_ratios

#: Each benchmark with what makes it short: variables, then arguments.
SECTIONS: dict[str, tuple[dict[str, str], list[str]]] = {
    "init": ({"ROWS": "200000"}, []),
    "training_set": ({"RUNS": "2", "PATIENCE": "30"}, []),
    "million": ({"USERS": "50000"}, []),
    "reproduce": ({"USERS": "20000", "RUNS": "1"}, []),
    "serving": ({}, ["--quick"]),
    "score": ({"USERS": "100000"}, []),
    "commands": ({"RUNS": "2"}, []),
}


def main() -> int:
    """Return 1 when a benchmark failed or missed what is required."""
    failed = []
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ratios")
        file.touch()
        for section in SECTIONS:
            print(f"\n== {section}", flush=True)
            begin = time.perf_counter()
            if not _run(section, file):
                failed.append(section)
            seconds[section] = time.perf_counter() - begin
        _print_table(read_ratios(file))
    print(", ".join(f"{section} {taken:.0f} s" for section, taken in seconds.items()), end="")
    print(f"; together {sum(seconds.values()) / 60:.1f} min")
    if failed:
        print(f"missed or failed: {', '.join(failed)}")
    return int(bool(failed))


def _run(section: str, file: Path) -> bool:
    """Run a benchmark in a process of its own, and return whether it ended well."""
    variables, arguments = SECTIONS[section] if IS_SHORT else ({}, [])
    script = Path(__file__).with_name(f"{section}.py")
    # What the caller has set counts.
    environment = {**variables, **os.environ, FILE: str(file)}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def _print_table(ratios: list[Ratio]) -> None:
    print(f"\n{'section':<14}{'measure':<52}{'ratio':>8}  required")
    for ratio in ratios:
        bound = "not judged"
        if ratio.bound is not None:
            side = "at least" if ratio.is_lowest else "at most"
            verdict = "" if ratio.is_met else "  MISSED"
            bound = f"{side} {ratio.bound:.2f}{verdict}"
        print(f"{ratio.section:<14}{ratio.measure:<52}{ratio.value:>8.2f}  {bound}")


if __name__ == "__main__":
    sys.exit(main())
