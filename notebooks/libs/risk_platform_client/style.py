"""The house style of plots: quiet axes, one accent, readable on paper and on screen."""

from __future__ import annotations

import matplotlib as mpl
from cycler import cycler

PALETTE = {"ink": "#1f2937", "muted": "#8a94a6", "accent": "#1d4ed8", "loss": "#c2410c", "good": "#15803d"}


def use_house_style() -> None:
    """Use the house style for every plot that follows."""
    mpl.rcParams.update(
        {
            "figure.figsize": (9.6, 3.6),
            "figure.dpi": 120,
            "figure.constrained_layout.use": True,
            "font.size": 9.5,
            "text.color": PALETTE["ink"],
            "axes.labelcolor": PALETTE["ink"],
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.titlesize": 11,
            "axes.titlepad": 10,
            "axes.edgecolor": "#cbd2dc",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(
                color=[PALETTE["accent"], PALETTE["loss"], PALETTE["muted"], PALETTE["good"], "#7c3aed", "#0e7490"]
            ),
            "grid.color": "#e8ebf0",
            "grid.linewidth": 0.8,
            "xtick.color": "#5b6472",
            "ytick.color": "#5b6472",
            "lines.linewidth": 1.4,
            "legend.frameon": False,
        }
    )
