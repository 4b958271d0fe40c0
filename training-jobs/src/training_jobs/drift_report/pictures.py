"""Pictures of a week as SVG, to stand in a page: lines over time, bands, limits. Pure.

No library: a page with four of them stays under 100 kB, and needs neither fonts nor scripts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

WIDTH, HEIGHT = 760, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 30, 10, 26
_DAY_SECONDS = 86_400.0
COLOURS = ("#1f5fa8", "#c4502b", "#2e8049", "#7a4da0", "#a07a1f", "#4d4d4d")


@dataclass(frozen=True)
class Line:
    """One line: (time, value) points, oldest first."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Band:
    """An area between two lines: (time, lower, upper)."""

    name: str
    points: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Picture:
    """What is drawn over [start, end]; `limits` are level lines, `percent` writes shares so."""

    start: float
    end: float
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    limits: Sequence[tuple[str, float]] = ()
    percent: bool = False
    from_zero: bool = False
    values: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        """Find the range of the values."""
        seen = [value for line in self.lines for _, value in line.points]
        seen += [value for band in self.bands for point in band.points for value in point[1:]]
        seen += [value for _, value in self.limits]
        low, high = min(seen, default=0.0), max(seen, default=1.0)
        low = min(low, 0.0) if self.from_zero else low
        margin = (high - low or abs(high) or 1.0) * 0.08
        lowest = low if self.from_zero else low - margin
        object.__setattr__(self, "values", (lowest, high + margin))

    def draw(self, title: str) -> str:
        """Return the SVG element; `title` is what a screen reader says."""
        parts = [
            *self._value_marks(),
            *self._day_marks(),
            *(self._band(band, i) for i, band in enumerate(self.bands)),
            *(self._limit(*limit) for limit in self.limits),
            *(self._line(line, i) for i, line in enumerate(self.lines)),
        ]
        head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        return f"{head}{''.join(parts)}</svg>{self._legend()}"

    def _x(self, time: float) -> float:
        share = (time - self.start) / max(self.end - self.start, 1e-9)
        return _LEFT + min(max(share, 0.0), 1.0) * (WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        low, high = self.values
        return _TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def _value_marks(self) -> list[str]:
        low, high = self.values
        marks = []
        for step in range(5):
            value = low + (high - low) * step / 4
            y = self._y(value)
            marks.append(f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" class="grid"/>')
            marks.append(
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{self._told(value)}</text>'
            )
        return marks

    def _day_marks(self) -> list[str]:
        span = self.end - self.start
        step = _DAY_SECONDS if span > 2 * _DAY_SECONDS else span / 6
        style = "%-d %b" if span > 2 * _DAY_SECONDS else "%H:%M"
        first = self.start - self.start % step + step
        count = max(0, int((self.end - first) // step) + 1)
        every = -(-count // 9) or 1
        marks = []
        for number in range(0, count, every):
            time = first + number * step
            said = datetime.fromtimestamp(time, UTC).strftime(style)
            x = self._x(time)
            marks.append(f'<path d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}" class="grid"/>')
            marks.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" class="middle">{said}</text>')
        return marks

    def _line(self, line: Line, number: int) -> str:
        colour = COLOURS[number % len(COLOURS)]
        if len(line.points) == 1:
            time, value = line.points[0]
            at = f'cx="{self._x(time):.1f}" cy="{self._y(value):.1f}"'
            return f'<circle {at} r="3" fill="{colour}"/>'
        path = "L".join(f"{self._x(t):.1f} {self._y(v):.1f}" for t, v in line.points)
        dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
        return f'<path d="M{path}" class="line" stroke="{colour}"{dashes}/>' if path else ""

    def _band(self, band: Band, number: int) -> str:
        if not band.points:
            return ""
        upper = [f"{self._x(t):.1f} {self._y(high):.1f}" for t, _, high in band.points]
        lower = [f"{self._x(t):.1f} {self._y(low):.1f}" for t, low, _ in reversed(band.points)]
        colour = COLOURS[number % len(COLOURS)]
        return f'<path d="M{"L".join(upper + lower)}Z" fill="{colour}" opacity=".16"/>'

    def _limit(self, name: str, value: float) -> str:
        y = self._y(value)
        path = f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" class="limit"/>'
        at = f'x="{_LEFT + 6}" y="{y - 4:.1f}"'
        return f'{path}<text {at} class="limit">{escape(name)} {self._told(value)}</text>'

    def _legend(self) -> str:
        named = [
            f'<li><i style="background:{COLOURS[i % len(COLOURS)]}"></i>{escape(line.name)}</li>'
            for i, line in enumerate(self.lines)
        ]
        return f'<ul class="legend">{"".join(named)}</ul>'

    def _told(self, value: float) -> str:
        return f"{value:.0%}" if self.percent else f"{value:,.3g}"
