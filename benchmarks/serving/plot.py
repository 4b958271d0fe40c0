"""The picture of the results: CPU time of a request, of every server, on a logarithmic scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from measure import Row
from own_server import NAME

mpl.use("Agg")
from matplotlib import pyplot as plt

_OURS, _FLOOR, _THEIRS = "#b5442e", "#b9b9b9", "#4b6a88"


def draw(rows: Mapping[str, Sequence[Row]], titles: Mapping[str, str], path: Path) -> None:
    """Draw a panel for each part that has rows."""
    parts = [part for part in titles if rows.get(part)]
    if not parts:
        return
    heights = [len(rows[part]) + 1 for part in parts]
    size = (8, 0.32 * sum(heights) + 0.8 * len(parts))
    figure, axes = plt.subplots(
        len(parts), figsize=size, squeeze=False, height_ratios=heights, layout="constrained"
    )
    for part, (axis,) in zip(parts, axes, strict=True):
        _panel(axis, rows[part], titles[part])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axis: plt.Axes, rows: Sequence[Row], title: str) -> None:
    costs = sorted(((row.loads[0]["cpu_us"], row) for row in rows), key=lambda each: -each[0])
    names = [row.server for _, row in costs]
    bars = axis.barh(names, [cost for cost, _ in costs], color=[_colour(row) for _, row in costs])
    axis.bar_label(bars, [f" {cost:,.0f}" for cost, _ in costs], fontsize=8)
    axis.set_xscale("log")
    axis.set_xlim(costs[-1][0] / 2, costs[0][0] * 2.5)
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_xlabel("CPU microseconds a request (all processes of the server)", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _colour(row: Row) -> str:
    if row.server.startswith(NAME):
        return _OURS
    return _THEIRS if row.family else _FLOOR
