"""What was measured, as tables in Markdown."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEAD = ("call", "floor", "service", "ratio", "target", "met", "by the Python client")
PRODUCT_HEAD = ("call", "published", "ours", "times better", "target", "met")
HEADLINE_HEAD = ("call", "floor", "service", "ratio", "target", "met")

MET = "yes"
MISSED = "**no**"
NONE = "-"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that was set to a ratio before it was measured."""

    bound: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def met_by(self, ratio: float) -> bool:
        """Whether a ratio is within the bound, as it is printed: 2.004 is 2.00."""
        return round(ratio, 2) >= self.bound if self.at_least else round(ratio, 2) <= self.bound


def at_least(bound: float) -> Target:
    """A ratio that is better when larger."""
    return Target(bound, at_least=True)


def at_most(bound: float) -> Target:
    """A ratio that is better when smaller."""
    return Target(bound)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the service beside the one that it is compared with."""

    call: str
    unit: str
    """`ms`, `/s` or `B`."""
    floor: float
    service: float
    ratio: float
    target: Target | None = None
    client: float | None = None
    """The service's figure where it is called through the Python client, which turns messages into objects."""
    headline: bool = False
    """Whether the README shows it."""

    def cells(self, columns: int = len(HEAD)) -> tuple[str, ...]:
        """The row as texts, in the order of the columns."""
        target = self.target
        verdict = NONE if target is None else MET if target.met_by(self.ratio) else MISSED
        return (
            self.call,
            self._text(self.floor),
            self._text(self.service),
            f"{self.ratio:.2f}",
            NONE if target is None else str(target),
            verdict,
            NONE if self.client is None else self._text(self.client),
        )[:columns]

    def _text(self, value: float) -> str:
        if self.unit == "ms":
            return f"{value:.2f} ms" if value < 100 else f"{value:.0f} ms"
        return f"{value:,.0f}{self.unit if self.unit == '/s' else ' ' + self.unit}"


def slower(call: str, floor: float, service: float, target: Target | None = None, **more: object) -> Row:
    """A row of milliseconds: the ratio says how many times as long the service takes."""
    return Row(call, "ms", floor, service, service / floor, target, **more)  # type: ignore[arg-type]


def throughput(call: str, floor: float, service: float, target: Target | None = None, **more: object) -> Row:
    """A row of calls a second: the ratio says which part of the floor's the service reaches."""
    return Row(call, "/s", floor, service, service / floor, target, **more)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Section:
    """A table with a heading, and what other parts need of it."""

    title: str
    rows: Sequence[Row]
    head: tuple[str, ...] = HEAD
    notes: Sequence[str] = ()
    by_client: Mapping[str, float] = field(default_factory=dict)
    """Figures through the Python client, under the names that `product.py` asks for."""
    plotted: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Lines of the plot, by name."""

    def markdown(self) -> str:
        """The section as it stands in docs/performance.md."""
        text = f"### {self.title}\n\n{table(self.head, (row.cells(len(self.head)) for row in self.rows))}"
        return "\n".join([text, *(f"{note}\n" for note in self.notes)])


def headlines(sections: Iterable[Section]) -> str:
    """The table of the README."""
    rows = [row.cells(len(HEADLINE_HEAD)) for section in sections for row in section.rows if row.headline]
    return table(HEADLINE_HEAD, rows)


def missed(sections: Iterable[Section]) -> list[str]:
    """What is called in rows that miss their targets."""
    return [
        row.call
        for section in sections
        for row in section.rows
        if row.target is not None and not row.target.met_by(row.ratio)
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *(_line(row) for row in rows), ""]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        described = ""
    names = (line.partition(":")[2].strip() for line in described.splitlines() if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
