"""Small pictures as SVG, drawn by Python. Colours come from the style sheet by class.

No picture has a style attribute, because the security policy of the pages allows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

SPARK_WIDTH = 120
SPARK_HEIGHT = 28
CHART_WIDTH = 640
CHART_HEIGHT = 220
CHART_LEFT = 44
CHART_BOTTOM = 28
CHART_TOP = 12
BAR_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a chart: its class in the style sheet, its title, its values (None: a gap)."""

    tone: str
    title: str
    values: tuple[float | None, ...]


def draw_sparkline(values: Sequence[float | None], description: str) -> Markup:
    """Draw the values as a small line; a point marks the last one."""
    present = [value for value in values if value is not None]
    if not present:
        return Markup("")
    lowest = min(present)
    spread = max(present) - lowest
    step = (SPARK_WIDTH - 8) / max(1, len(values) - 1)
    points = []
    for number, value in enumerate(values):
        if value is None:
            continue
        height = 0.5 if not spread else (value - lowest) / spread
        points.append((4 + number * step, SPARK_HEIGHT - 4 - height * (SPARK_HEIGHT - 8)))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    last_x, last_y = points[-1]
    return Markup(
        '<svg class="spark" role="img" viewBox="0 0 {width} {height}" width="{width}"'
        ' height="{height}" aria-label="{description}"><polyline points="{path}"/>'
        '<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
    ).format(
        width=SPARK_WIDTH,
        height=SPARK_HEIGHT,
        description=description,
        path=path,
        x=last_x,
        y=last_y,
    )


def draw_bar(share: float, tone: str = "") -> Markup:
    """Draw a share from 0 to 1 as a bar. The number stands beside it, so it is not read aloud."""
    length = BAR_WIDTH * min(1.0, max(0.0, share))
    # Markup.format takes as long as all the rest of a row.
    svg = (
        f'<svg class="bar {escape(tone)}" aria-hidden="true" viewBox="0 0 {BAR_WIDTH} 8"'
        f' width="{BAR_WIDTH}" height="8" preserveAspectRatio="none"><rect class="track"'
        f' width="{BAR_WIDTH}" height="8" rx="2"/><rect class="fill" width="{length:.1f}"'
        ' height="8" rx="2"/></svg>'
    )
    return Markup(svg)  # noqa: S704  # the tone is escaped, the rest are numbers


def draw_signed_bar(value: float, largest: float) -> Markup:
    """Draw a value to the right of a middle line if it is positive, else to the left."""
    half = BAR_WIDTH
    length = half * abs(value) / largest if largest else 0.0
    start = half if value >= 0 else half - length
    tone = "up" if value >= 0 else "down"
    return Markup(
        '<svg class="signed {tone}" aria-hidden="true" viewBox="0 0 {width} 14" width="{width}"'
        ' height="14"><rect class="fill" x="{start:.1f}" y="2" width="{length:.1f}" height="10"'
        ' rx="2"/><line class="axis" x1="{half}" x2="{half}" y1="0" y2="14"/></svg>'
    ).format(tone=tone, width=2 * half, start=start, length=length, half=half)


def draw_shares(labels: Sequence[str], lines: Sequence[Line], description: str) -> Markup:
    """Draw lines of shares over labels, with an axis from 0 to a round share.

    Args:
        labels: one for each place, such as a day
        lines: each with one value for each label, from 0 to 1
        description: what the chart shows, for people who do not see it
    """
    present = [value for line in lines for value in line.values if value is not None]
    top = _round_up(max(present, default=0.0))
    width = CHART_WIDTH - CHART_LEFT - 16
    step = width / max(1, len(labels) - 1)
    drawn = [_draw_axis(top), _draw_labels(labels, step)]
    for line in lines:
        points = [
            (CHART_LEFT + number * step, _height_of(value, top))
            for number, value in enumerate(line.values)
            if value is not None
        ]
        drawn.append(_draw_line(line, points))
    return Markup(
        '<svg class="chart" role="img" viewBox="0 0 {width} {height}" aria-label="{description}">'
        "{drawn}</svg>"
    ).format(
        width=CHART_WIDTH,
        height=CHART_HEIGHT,
        description=description,
        drawn=Markup("").join(drawn),
    )


def _round_up(share: float) -> float:
    """Return the least of some round shares that is not smaller.

    >>> _round_up(0.23), _round_up(0.0)
    (0.3, 0.05)
    """
    for top in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        if share <= top:
            return top
    return 1.0


def _height_of(share: float, top: float) -> float:
    room = CHART_HEIGHT - CHART_TOP - CHART_BOTTOM
    return CHART_TOP + room * (1 - share / top)


def _draw_axis(top: float) -> Markup:
    lines = []
    for fraction in (0.0, 0.5, 1.0):
        y = _height_of(fraction * top, top)
        lines.append(
            Markup(
                '<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
                '<text class="tick" x="{text_x}" y="{text_y:.1f}" text-anchor="end">{text}</text>'
            ).format(
                left=CHART_LEFT,
                right=CHART_WIDTH - 8,
                y=y,
                text_x=CHART_LEFT - 8,
                text_y=y + 4,
                text=f"{100 * fraction * top:g}\u202f%",
            )
        )
    return Markup("").join(lines)


def _draw_labels(labels: Sequence[str], step: float) -> Markup:
    """Write at most six of the labels below the axis."""
    every = max(1, -(-len(labels) // 6))
    texts = []
    for number, label in enumerate(labels):
        if number % every and number != len(labels) - 1:
            continue
        is_last = number == len(labels) - 1 and len(labels) > 1
        anchor = "start" if number == 0 else "end" if is_last else "middle"
        texts.append(
            Markup(
                '<text class="tick" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{label}</text>'
            ).format(x=CHART_LEFT + number * step, y=CHART_HEIGHT - 8, anchor=anchor, label=label)
        )
    return Markup("").join(texts)


def _draw_line(line: Line, points: Sequence[tuple[float, float]]) -> Markup:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = Markup("").join(
        Markup('<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>').format(x=x, y=y) for x, y in points
    )
    template = Markup(
        '<g class="line {tone}"><title>{title}</title><polyline points="{path}"/>{dots}</g>'
    )
    return template.format(tone=line.tone, title=line.title, path=path, dots=dots)
