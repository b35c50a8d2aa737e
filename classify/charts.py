"""Charts as inline SVG, drawn without a plotting library: sized for a phone, styled by the page, with phrases that can change language."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from classify.phrases import Key, Phrases, percent, span, whole
from classify.shares import Share

WIDTH = 360
_ROW, _TOP, _NAMES, _VALUES = 22, 20, 108, 68
# Characters of 11 pixels that fit beside the plot.
_FIT = 15


@dataclass(frozen=True)
class Named:
    """A row or column: a phrase, or a name that is the same in every language."""

    name: str

    def short(self, phrases: Phrases, element: str, attributes: dict[str, object], fit: int = _FIT) -> Markup:
        """The name in an SVG element, cut where it is too long."""
        if isinstance(self.name, Key):
            return phrases.tag(self.name, element, attributes)
        shown = self.name if len(self.name) <= fit else self.name[: fit - 1] + "\N{HORIZONTAL ELLIPSIS}"
        listed = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in attributes.items())
        return Markup("<{0}{1}>{2}</{0}>").format(element, listed, shown)


def top_of(values: Sequence[float]) -> float:
    """A round number that is at least every share: the end of an axis."""
    highest = min(1.0, max([0.001, *values]))
    size: float = 10.0 ** math.floor(math.log10(highest))
    return next((step * size for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * size >= highest - 1e-12), highest)


def shares_by_row(rows: Sequence[tuple[Named, Share]], phrases: Phrases, label: Key, mark: str) -> Markup:
    """A row each: a ring where the model marked, a dot with its interval where that was corrected.

    In figures stands the interval, which is what can be said.
    """
    end = top_of([value for _, share in rows for value in (share.raw, share.high or 0.0)])
    left, right = _NAMES, WIDTH - _VALUES
    height = _TOP + _ROW * len(rows) + 6

    def x(value: float) -> float:
        return round(left + (right - left) * value / end, 1)

    parts = []
    for step in (0.0, 0.5, 1.0):
        anchor = "start" if step == 0 else "middle" if step < 1 else "end"
        parts.append(_line(x(step * end), _TOP - 4, x(step * end), height - 4, "grid"))
        parts.append(phrases.figure(percent(step * end), "text", {"x": x(step * end), "y": 11, "class": "tick", "text-anchor": anchor}))
    for i, (name, share) in enumerate(rows):
        y = _TOP + _ROW * i + _ROW // 2
        parts.append(name.short(phrases, "text", {"x": left - 8, "y": y + 4, "text-anchor": "end"}))
        if share.value is not None and share.low is not None and share.high is not None:
            parts += _corrected(x(share.low), y, x(share.high), y, x(share.raw), y, x(share.value), y, mark)
        else:
            parts.append(_circle(x(share.raw), y, 5, "ring"))
        shown = percent(share.raw) if share.low is None or share.high is None else span(share.low, share.high)
        weight = "value" if share.value is not None else "value raw"
        parts.append(phrases.figure(shown, "text", {"x": WIDTH - 2, "y": y + 4, "class": weight, "text-anchor": "end"}))
    return _svg(height, phrases.tag("chart_shares", "title", label=label), parts)


def shares_by_column(columns: Sequence[tuple[Named, Share]], phrases: Phrases, label: Key, mark: str) -> Markup:
    """The same with a column each, for what has an order in time."""
    end = top_of([value for _, share in columns for value in (share.raw, share.high or 0.0)])
    left, right, top, bottom = 40, WIDTH - 8, 14, 150
    gap = (right - left) / max(1, len(columns))

    def x(i: int) -> float:
        return round(left + gap * (i + 0.5), 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - top) * value / end, 1)

    parts = []
    for step in (0.0, 0.5, 1.0):
        parts.append(_line(left, y(step * end), right, y(step * end), "grid"))
        parts.append(
            phrases.figure(percent(step * end), "text", {"x": left - 6, "y": y(step * end) + 4, "class": "tick", "text-anchor": "end"})
        )
    points = [(x(i), y(share.raw)) for i, (_, share) in enumerate(columns) if share.sentences]
    parts += [_line(*first, *second, "trend") for first, second in pairwise(points)]
    every = max(1, math.ceil(48 / gap))
    for i, (name, share) in enumerate(columns):
        if share.value is not None and share.low is not None and share.high is not None:
            parts += _corrected(x(i), y(share.low), x(i), y(share.high), x(i), y(share.raw), x(i), y(share.value), mark)
        elif share.sentences:
            parts.append(_circle(x(i), y(share.raw), 5, "ring"))
        if i % every == 0:
            parts.append(name.short(phrases, "text", {"x": x(i), "y": bottom + 18, "class": "tick", "text-anchor": "middle"}))
    return _svg(bottom + 24, phrases.tag("chart_shares", "title", label=label), parts)


def matrix(rows: Sequence[Named], columns: Sequence[Named], counts: Sequence[Sequence[int]], phrases: Phrases) -> Markup:
    """How often each row meets each column: the number in every cell, the darker the more; the last column, of neither, stays pale."""
    cell, names, head = 34, 92, 46
    wide = (WIDTH - names) / max(1, len(columns))
    most = max([1, *(value for values in counts for value in values[:-1])])
    parts = [_wrapped(column, phrases, names + wide * j + 2, 0, wide - 4, head - 4, "head") for j, column in enumerate(columns)]
    for i, (row, values) in enumerate(zip(rows, counts, strict=True)):
        y = head + cell * i
        parts.append(_wrapped(row, phrases, 0, y, names - 8, cell, "side"))
        for j, value in enumerate(values):
            shade = round(0.05 + 0.5 * value / most, 3) if value and j < len(values) - 1 else 0
            box = round(names + wide * j + 1, 1), y + 1, round(wide - 2, 1), cell - 2, shade
            parts.append(Markup('<rect class="cell" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}" />').format(*box))
            place = round(names + wide * (j + 0.5), 1), y + 21, whole(value)
            parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(*place))
    return _svg(head + cell * len(rows) + 2, phrases.tag("chart_matrix", "title"), parts)


def stacked(rows: Sequence[tuple[Named, Sequence[int]]], phrases: Phrases, marks: Sequence[str]) -> Markup:
    """A bar a row, divided into parts that differ in lightness and outline, each with its number where it fits."""
    bar, left, right = 26, _NAMES, WIDTH - 36
    end = max([1, *(sum(parts) for _, parts in rows)])
    parts = []
    for i, (name, values) in enumerate(rows):
        y = bar * i + 4
        parts.append(name.short(phrases, "text", {"x": left - 8, "y": y + 14, "text-anchor": "end"}))
        x = float(left)
        for mark, value in zip(marks, values, strict=True):
            size = (right - left) * value / end
            if value:
                box = mark, round(x, 1), y, round(max(1.0, size - 1.5), 1)
                parts.append(Markup('<rect class="{}" x="{}" y="{}" width="{}" height="18" />').format(*box))
            if size > 7 * len(whole(value)) + 5:
                place = mark, round(x + size / 2, 1), y + 13, whole(value)
                parts.append(Markup('<text class="on {}" x="{}" y="{}" text-anchor="middle">{}</text>').format(*place))
            x += size
        parts.append(Markup('<text class="value" x="{}" y="{}">{}</text>').format(round(x + 5, 1), y + 13, whole(sum(values))))
    return _svg(bar * len(rows) + 6, phrases.tag("chart_exchange", "title"), parts)


def _wrapped(named: Named, phrases: Phrases, x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """A name broken into lines by the browser, which SVG itself does not do."""
    name = phrases.tag(named.name) if isinstance(named.name, Key) else Markup("<span>{}</span>").format(named.name)
    box = round(x, 1), round(y, 1), round(width, 1), height, kind, name
    return Markup('<foreignObject x="{}" y="{}" width="{}" height="{}"><div class="{}">{}</div></foreignObject>').format(*box)


def _svg(height: int, title: Markup, parts: Sequence[Markup]) -> Markup:
    # The title is the accessible name; the table beside it has every figure.
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img">{}{}</svg>').format(WIDTH, height, title, Markup("").join(parts))


def _corrected(x1: float, y1: float, x2: float, y2: float, raw_x: float, raw_y: float, x: float, y: float, mark: str) -> list[Markup]:
    # The dot is smaller than the ring, so that both are seen where they meet.
    return [_line(x1, y1, x2, y2, f"span {mark}"), _circle(raw_x, raw_y, 5, "ring"), _circle(x, y, 3.2, f"dot {mark}")]


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}" />').format(x1, y1, x2, y2, kind)


def _circle(x: float, y: float, radius: float, kind: str) -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="{}" class="{}" />').format(x, y, radius, kind)


Draw = Callable[[Sequence[tuple[Named, Share]], Phrases, Key, str], Markup]
