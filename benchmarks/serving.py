"""How fast a prediction is served, against named peers, all of them up at once and loaded in turns.

(a) `streamflow serve` as a user starts it: one process, with log, metrics and checks
(b) the reference's way: FastAPI, the Feast SDK and MLflow's pipeline in a `def` endpoint
(c) `mlflow models serve` of the same version; it is sent the features, which it cannot look up
(d) a FastAPI endpoint that does nothing
(e) FastAPI with one prepared SELECT of the same rows: the faster of an async pool and of threads

All of them use one embedded PostgreSQL of 7,043 users and a forest of 300 trees. A request asks for
one random user.
The servers share the machine with the generator of the load and with PostgreSQL: read ratios, not
rates. A ratio is the median of those within each round.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median

from ratios import Ratio, record
from serving_lab import Lab, laboratory
from serving_load import Job, Load, load
from serving_servers import KINDS, Server, serving
from serving_start import print_start

CLIENTS = (1, 8, 32)
RATE, RATE_CLIENTS = 100.0, 32
BATCH = 100
TIMES_REFERENCE, SHARE_OF_SELECT, RATE_P99_MS, BATCH_P99_MS = 20.0, 0.6, 10.0, 30.0

Loads = Mapping[tuple[str, int], Sequence[Load]]  # (server, clients) -> each round


def main() -> int:
    """Print the tables; 1 when a target is missed or an answer was not as expected."""
    options = _options()
    with ExitStack() as closing:
        folder = options.keep or Path(closing.enter_context(tempfile.TemporaryDirectory()))
        lab = closing.enter_context(laboratory(folder.absolute(), kept=options.keep is not None))
        good = [_speed(lab, options)] if options.only else []
        if options.starts:
            good.append(print_start(lab, options.starts))
    return int(not all(good))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        default=",".join(KINDS),
        help=f"of these servers: {', '.join(KINDS)}; or 'start' for none",
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load")
    parser.add_argument(
        "--rounds", type=int, default=5, help="each loads every server with every number of clients"
    )
    parser.add_argument(
        "--starts",
        type=int,
        default=5,
        help="of the server, for the time until it is ready; 0 for none",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="make the installation here, or use the one that is here",
    )
    parser.add_argument("--quick", action="store_true", help="one second, two rounds, two starts")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.starts = 1.0, 2, min(options.starts, 2)
    options.only = [name for name in options.only.split(",") if name != "start"]
    if unknown := set(options.only) - set(KINDS):
        parser.error(f"no server is called {', '.join(sorted(unknown))}")
    return options


def _speed(lab: Lab, options: argparse.Namespace) -> bool:
    with ExitStack() as up:
        servers = {}
        for name in options.only:
            servers[name] = up.enter_context(serving(KINDS[name], lab))
            print(f"{KINDS[name].label} is up", file=sys.stderr)
        loads = _rounds(lab, servers, options)
        _print_table(servers, loads)
        good = _print_ratios(loads)
        if "ours" in servers:
            good &= _print_constant_rate(lab, servers["ours"], options) & _print_batch(
                lab, servers["ours"], options
            )
    return good


def _rounds(lab: Lab, servers: Mapping[str, Server], options: argparse.Namespace) -> Loads:
    loads: dict[tuple[str, int], list[Load]] = defaultdict(list)
    for number in range(options.rounds):
        for clients in CLIENTS:
            for name, server in servers.items():
                requests = [server.kind.request(key, row) for key, row in lab.rows.items()]
                job = Job(
                    port=server.port,
                    path=server.kind.path,
                    requests=requests,
                    clients=clients,
                    seconds=options.seconds,
                    warm=1.0 if number == 0 else 0.2,
                )
                loads[name, clients].append(load(job))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return loads


def _print_table(servers: Mapping[str, Server], loads: Loads) -> None:
    print(
        f"{'/predict, one user':<32}"
        + "".join(f"{f'{n} clients':>12}{'p50':>9}{'p99 ms':>9}" for n in CLIENTS),
        end="",
    )
    print(f"{'MB':>7}{'failed':>8}")
    for name, server in servers.items():
        print(f"{server.kind.label:<32}", end="")
        for clients in CLIENTS:
            runs = loads[name, clients]
            p50, p99 = (median(run.percentile(share) for run in runs) for share in (0.5, 0.99))
            print(
                f"{median(run.per_second for run in runs):>10,.0f}/s{p50:>9.2f}{p99:>9.2f}", end=""
            )
        print(f"{server.megabytes:>7,.0f}{sum(_failed(loads, name).values()):>8}")
    for name, server in servers.items():
        if failed := _failed(loads, name):
            print(f"failed of {server.kind.label}: {dict(failed)}")


def _failed(loads: Loads, name: str) -> Counter[str]:
    return sum(
        (Counter(run.failed) for clients in CLIENTS for run in loads[name, clients]), Counter()
    )


def _print_ratios(loads: Loads) -> bool:
    """Print the ratios for each number of clients.

    Return whether the targets at 8 clients are met and none of our answers failed.
    """
    names = {name for name, _ in loads}
    if "ours" not in names:
        return True
    good = not _failed(loads, "ours")
    for other in [name for name in KINDS if name in names and name != "ours"]:
        ratios = [_ratio(loads, other, clients) for clients in CLIENTS]
        print(f"ours against {KINDS[other].label:<32}" + "".join(f"{r:>8.2f}" for r in ratios))
    if "reference" in names:
        good &= _target(
            "throughput at 8 clients, times (b)",
            _ratio(loads, "reference", 8),
            TIMES_REFERENCE,
            at_least=True,
        )
    if selects := names & {"select", "select_def"}:
        ratio = min(_ratio(loads, name, 8) for name in selects)
        good &= _target(
            "throughput at 8 clients, times the faster (e)", ratio, SHARE_OF_SELECT, at_least=True
        )
    return good


def _ratio(loads: Loads, other: str, clients: int) -> float:
    pairs = zip(loads["ours", clients], loads[other, clients], strict=True)
    return median(
        ours.per_second / peer.per_second if peer.per_second else float("inf")
        for ours, peer in pairs
    )


def _print_constant_rate(lab: Lab, server: Server, options: argparse.Namespace) -> bool:
    requests = [server.kind.request(key, row) for key, row in lab.rows.items()]
    seconds = max(options.seconds, 1000 / RATE) if options.quick else 3 * options.seconds
    job = Job(
        port=server.port,
        path="/predict",
        requests=requests,
        clients=RATE_CLIENTS,
        seconds=seconds,
        warm=1.0,
        rate=RATE,
    )
    runs = [load(job) for _ in range(options.rounds)]
    p99 = median(run.percentile(0.99) for run in runs)
    return _target(
        f"p99 in ms at {RATE:.0f} requests/s", p99, RATE_P99_MS, at_least=False
    ) & _sound(runs)


def _print_batch(lab: Lab, server: Server, options: argparse.Namespace) -> bool:
    keys = iter(lab.rows)
    requests = []
    while len(batch := list(islice(keys, BATCH))) == BATCH:
        requests.append((json.dumps({"user_ids": batch}), [*map(json.dumps, batch), '"version":']))
    job = Job(
        port=server.port,
        path="/predict/batch",
        requests=requests,
        clients=1,
        seconds=options.seconds,
        warm=1.0,
    )
    runs = [load(job) for _ in range(options.rounds)]
    if all(set(run.failed) == {"status 404"} for run in runs):
        print(f"{BATCH} users in one call: skipped, this server has no /predict/batch")
        return True
    p99 = median(run.percentile(0.99) for run in runs)
    return _target(
        f"p99 in ms of {BATCH} users in one call", p99, BATCH_P99_MS, at_least=False
    ) & _sound(runs)


def _sound(runs: Sequence[Load]) -> bool:
    failed = sum((Counter(run.failed) for run in runs), Counter())
    if failed:
        print(f"failed: {dict(failed)}")
    return not failed


def _target(what: str, found: float, target: float, *, at_least: bool) -> bool:
    measured = Ratio(
        section="serving",
        measure=what,
        value=found,
        bound=target,
        is_lowest=at_least,
    )
    good = record(measured)
    verdict = "ok    " if good else "MISSED"
    bound = "at least" if at_least else "at most"
    print(f"{verdict} {what}: {found:.2f}; {bound} {target:g} is required")
    return good


if __name__ == "__main__":
    sys.exit(main())
