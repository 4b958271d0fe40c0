"""The confusion matrix as a picture: counts, and each row's share in colour."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def draw_confusion_matrix(
    confusion: NDArray[np.int64], labels: tuple[str, ...], title: str, path: Path
) -> None:
    """Draw counts [truth, prediction] into the PNG `path`."""
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    size = 3.2 + 0.9 * len(labels)
    figure = Figure(figsize=(size, size * 0.82), dpi=150, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=9, wrap=True)
    for (row, column), count in np.ndenumerate(confusion):
        share = float(shares[row, column])
        # Dark cells need light digits.
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{count:,}\n{share:.1%}", ha="center", va="center", color=colour)
    figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.85)
    figure.savefig(path)
