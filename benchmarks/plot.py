"""The figure of docs/performance.md and the README."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from benchmarks.report import Section

_SERVICE, _FLOOR = "#1f6f8b", "#b5b5b5"
_SEARCH = "#d9822b"


def draw(sections: Mapping[str, Section], file: Path) -> None:
    """Write the figure as PNG: search and publish beside their floors, and both while the database grows.

    Args:
        sections: What was measured, by the names of the parts `publish`, `search` and `growth`.
        file: Where to write it.
    """
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        search, publish, growth = figure.subplots(1, 3, width_ratios=(1.15, 0.9, 1.1))
        _draw_search(search, sections["search"])
        _draw_publish(publish, sections["publish"])
        _draw_growth(growth, sections["growth"])
        figure.savefig(file, dpi=150, metadata={"Software": None})


def _draw_search(axes: Axes, section: Section) -> None:
    for name, label, colour in (
        ("service", "hybrid search", _SERVICE),
        ("floor", "floor: ten rows by key", _FLOOR),
    ):
        sizes, medians = zip(*section.plotted[name], strict=True)
        axes.plot(sizes, medians, marker="o", color=colour, label=label)
    axes.set(
        title="Search, query vector cached",
        xlabel="interactions of the user",
        ylabel="p50 ms",
        xscale="log",
        yscale="log",
    )
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False)


def _draw_publish(axes: Axes, section: Section) -> None:
    width = 0.38
    for place, values in enumerate(section.plotted.values()):
        for offset, (_, speed) in enumerate(values):
            is_service = bool(offset)
            at = place + (offset - 0.5) * width
            label = ("service", "floor: two inserts")[not is_service] if place == 0 else None
            bar = axes.bar(at, speed, width * 0.95, color=_SERVICE if is_service else _FLOOR, label=label)
            axes.bar_label(bar, fmt="{:,.0f}", padding=1)
    axes.set_xticks(range(len(section.plotted)), list(section.plotted))
    axes.set(title="Publish, acknowledged", ylabel="calls a second")
    axes.margins(y=0.3)
    axes.legend(frameon=False, loc="upper left")


def _draw_growth(axes: Axes, section: Section) -> None:
    for name, label, colour in (("search", "search 1,000 of one user", _SEARCH), ("publish", "publish", _SERVICE)):
        stored, medians = zip(*section.plotted[name], strict=True)
        axes.plot(stored, medians, marker="o", color=colour, label=label)
    axes.set(title="Growth", xlabel="interactions stored by others", ylabel="p50 ms", xscale="log")
    axes.margins(y=0.4)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
