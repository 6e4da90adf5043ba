"""Two distributions side by side as bars, drawn by Python as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

CHART_WIDTH = 640
ROW_HEIGHT = 34
BAR_HEIGHT = 12
NAME_WIDTH = 170
NUMBER_WIDTH = 60
MAX_NAME = 24


@dataclass(frozen=True, kw_only=True)
class BarPair:
    """One bin of two distributions: its name, and its share in each, from 0 to 1."""

    name: str
    first: float
    second: float


def draw_bar_pairs(pairs: Sequence[BarPair], description: str) -> Markup:
    """Draw two bars for each bin, one below the other, with the shares beside them.

    Args:
        pairs: the bins, in their order
        description: what the chart shows, for people who do not see it
    """
    largest = max((max(pair.first, pair.second) for pair in pairs), default=0.0)
    room = CHART_WIDTH - NAME_WIDTH - NUMBER_WIDTH
    scale = room / largest if largest else 0.0
    rows = [_draw_pair(number, pair, scale) for number, pair in enumerate(pairs)]
    return Markup(
        '<svg class="chart pairs" role="img" viewBox="0 0 {width} {height}"'
        ' aria-label="{description}">{rows}</svg>'
    ).format(
        width=CHART_WIDTH,
        height=ROW_HEIGHT * len(pairs) + 4,
        description=description,
        rows=Markup("").join(rows),
    )


def _draw_pair(number: int, pair: BarPair, scale: float) -> Markup:
    top = number * ROW_HEIGHT + 4
    name = pair.name if len(pair.name) <= MAX_NAME else f"{pair.name[: MAX_NAME - 1]}…"
    label = Markup('<text class="tick" x="{x}" y="{y}" text-anchor="end">{name}</text>').format(
        x=NAME_WIDTH - 10,
        y=top + BAR_HEIGHT + 4,
        name=name,
    )
    first = _draw_bar("expected", top, pair.first, scale)
    second = _draw_bar("churned", top + BAR_HEIGHT + 2, pair.second, scale)
    return label + first + second


def _draw_bar(tone: str, top: float, share: float, scale: float) -> Markup:
    length = share * scale
    return Markup(
        '<rect class="{tone}" x="{x}" y="{top}" width="{length:.1f}" height="{height}" rx="1"/>'
        '<text class="tick" x="{text_x:.1f}" y="{text_y}">{text}</text>'
    ).format(
        tone=tone,
        x=NAME_WIDTH,
        top=top,
        length=length,
        height=BAR_HEIGHT,
        text_x=NAME_WIDTH + length + 6,
        text_y=top + BAR_HEIGHT - 1,
        text=f"{100 * share:.1f}\u202f%",
    )
