"""The report of `scale.py`: exponents, the constants of the cost model, and the curve as an SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What a step cost in all its processes.

    seconds              of the whole processes, from their start to their end
    processor_seconds    of the processes, and of PostgreSQL for them
    processes            how many there were
    gigabytes            the most memory of one process
    """

    seconds: float
    processor_seconds: float
    processes: int
    gigabytes: float

    def __add__(self, other: object) -> Cost:
        """Add the same step for a further month."""
        assert isinstance(other, Cost)
        return Cost(
            self.seconds + other.seconds,
            self.processor_seconds + other.processor_seconds,
            self.processes + other.processes,
            max(self.gigabytes, other.gigabytes),
        )


class Size(NamedTuple):
    """How many users, and how many months of them."""

    users: int
    months: int

    @property
    def rows(self) -> int:
        """Return the number of rows of one table in all months."""
        return self.users * self.months


class Line(NamedTuple):
    """An axis value on top of another: y = base + slope * x."""

    base: float
    slope: float


#: Size -> step -> a measured number.
Numbers = Mapping[Size, Mapping[str, float]]
NO_COST = Cost(0, 0, 0, 0)
SHORTEST_WORK_S = 0.05  # less is not told apart from the start of a process

WIDTH, HEIGHT, MARGIN, LEGEND = 760, 440, 56, 130
COLORS = ("#1f5fa8", "#b3541e", "#2c7a3f", "#8a2c6b", "#6b6b00", "#444444", "#c02942", "#008080")


def work_of(costs: Mapping[str, Cost]) -> dict[str, float]:
    """Return the processor seconds of each step without those of starting its processes."""
    start = costs["start"].processor_seconds
    return {
        name: max(cost.processor_seconds - start * cost.processes, SHORTEST_WORK_S)
        for name, cost in costs.items()
        if name != "start"
    }


def fit_exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Fit the exponent of seconds = c * size ** exponent by least squares of the logarithms.

    >>> round(fit_exponent([10, 20, 40], [1.0, 2.0, 4.0]), 6)
    1.0
    """
    return fit_line([math.log(size) for size in sizes], [math.log(s) for s in seconds]).slope


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Fit a line by least squares. Of a single point the line goes through the origin.

    >>> fit_line([1, 2, 3], [5, 7, 9])
    Line(base=3.0, slope=2.0)
    >>> fit_line([2], [6])
    Line(base=0.0, slope=3.0)
    """
    if len(set(x)) < 2:
        return Line(0.0, y[0] / x[0])
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    slope = covariance / sum((a - mean_x) ** 2 for a in x)
    return Line(mean_y - slope * mean_x, slope)


def print_costs(size: Size, costs: Mapping[str, Cost]) -> None:
    """Print a line for each step of one size."""
    print(f"{size.users:,} users x {size.months} months")
    print(f"  {'step':<14}{'seconds':>9}{'CPU s':>9}{'work':>9}{'memory GB':>11}{'rows/CPU s':>12}")
    for name, work in work_of(costs).items():
        cost = costs[name]
        print(
            f"  {name:<14}{cost.seconds:>9.1f}{cost.processor_seconds:>9.1f}{work:>9.1f}"
            f"{cost.gigabytes:>11.2f}{size.rows / work:>12,.0f}",
            flush=True,
        )


def print_exponents(work: Numbers) -> None:
    """Print how the work of each step grows with the users, and with the months."""
    most_users, most_months = max(size.users for size in work), max(size.months for size in work)
    by_users = [size for size in work if size.months == most_months]
    by_months = [size for size in work if size.users == most_users]
    print(f"{'exponent of the work in':<24}{'users':>8}{'months':>8}")
    for name in work[max(work)]:
        line = f"  {name:<22}"
        for sizes, unit in ((by_users, "users"), (by_months, "months")):
            if len(sizes) < 2:  # a line needs two points
                line += f"{'-':>8}"
                continue
            numbers = [getattr(size, unit) for size in sizes]
            line += f"{fit_exponent(numbers, [work[size][name] for size in sizes]):>8.2f}"
        print(line)


def print_cost_model(work: Numbers, memory: Numbers, disk_bytes: Mapping[Size, int]) -> None:
    """Print the constants of docs/scaling.md: per user and month, fitted over all sizes."""
    rows = [float(size.rows) for size in work]
    print("cost model, rows = users x months")
    print(f"  {'step':<14}{'CPU us/row':>12}{'memory GB, start':>18}{'GB/million rows':>17}")
    for name in work[max(work)]:
        micros = fit_line(rows, [work[size][name] for size in work]).slope * 1e6
        in_memory = fit_line(rows, [memory[size][name] for size in work])
        print(f"  {name:<14}{micros:>12.1f}{in_memory.base:>18.2f}{in_memory.slope * 1e6:>17.2f}")
    disk = fit_line(rows, [float(disk_bytes[size]) for size in work])
    print(
        f"  PostgreSQL's disk: {disk.slope:,.0f} bytes/row, and {disk.base / 1e6:,.0f} MB at first"
    )


def write_curve(path: Path, work: Numbers) -> None:
    """Write a chart of the work of each step over users x months; both axes are logarithmic."""
    sizes = sorted(work, key=lambda size: size.rows)
    steps = list(work[max(work)])
    x_axis = _Axis.over([size.rows for size in sizes], MARGIN, WIDTH - MARGIN - LEGEND)
    values = [value for numbers in work.values() for value in numbers.values()]
    y_axis = _Axis.over(values, HEIGHT - MARGIN, MARGIN / 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' font-family="sans-serif" font-size="12">',
        "<title>Work of each step over users times months</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_draw_grid(x_axis, y_axis),
    ]
    for number, step in enumerate(steps):
        color = COLORS[number % len(COLORS)]
        points = [(x_axis.place(s.rows), y_axis.place(work[s][step])) for s in sizes]
        path_points = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path_points}" fill="none" stroke="{color}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points]
        top = MARGIN / 2 + 18 * (number + 1)
        left = WIDTH - LEGEND - MARGIN / 2
        parts.append(f'<rect x="{left}" y="{top - 9}" width="14" height="4" fill="{color}"/>')
        parts.append(f'<text x="{left + 20}" y="{top}">{escape(step)}</text>')
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


class _Axis(NamedTuple):
    """A logarithmic axis: the exponents of ten at its ends, and where they are in the chart."""

    low: int
    high: int
    begin: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float) -> _Axis:
        """Return the axis of whole powers of ten that shows all values."""
        low = math.floor(math.log10(min(values)))
        high = math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), begin, end)

    def place(self, value: float) -> float:
        """Return where a value is in the chart."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)


def _draw_grid(x_axis: _Axis, y_axis: _Axis) -> list[str]:
    parts = []
    for exponent in range(x_axis.low, x_axis.high + 1):
        x = x_axis.place(10.0**exponent)
        parts.append(_draw_line(x, y_axis.begin, x, y_axis.end))
        label = f"{10**exponent:,}"
        parts.append(
            f'<text x="{x:.1f}" y="{y_axis.begin + 18}" text-anchor="middle">{label}</text>'
        )
    for exponent in range(y_axis.low, y_axis.high + 1):
        y = y_axis.place(10.0**exponent)
        parts.append(_draw_line(x_axis.begin, y, x_axis.end, y))
        label = f"{10.0**exponent:g}"
        parts.append(
            f'<text x="{x_axis.begin - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )
    middle = (x_axis.begin + x_axis.end) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">users x months</text>')
    parts.append(f'<text x="8" y="{MARGIN / 4 + 6}">processor seconds of work</text>')
    return parts


def _draw_line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'
