"""What was measured, as a table in Markdown."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.timing import Sample

SERVICE = "service"
ECHO = "echo"
SQL = "SQL"

COLUMNS = (
    "call",
    "callers",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "calls/s",
    "echo p50",
    "SQL p50",
    "p50 / echo",
    "p50 / SQL",
    "p50 / both",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of call with so many concurrent callers."""

    call: str
    callers: int
    samples: Mapping[str, Sample]
    """Of the service and of the two floors, by name."""

    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of the columns."""
        service, echo, sql = (self.samples[name] for name in (SERVICE, ECHO, SQL))
        median, least, stored = (sample.percentile(50) for sample in (service, echo, sql))
        return (
            self.call,
            str(self.callers),
            *(f"{service.percentile(percent):.2f}" for percent in (50, 95, 99)),
            f"{service.calls_per_second:,.0f}",
            f"{least:.2f}",
            f"{stored:.2f}",
            f"{median / least:.1f}",
            f"{median / stored:.1f}",
            f"{median / (least + stored):.1f}",
        )


def markdown(rows: Iterable[Row], seconds: float) -> str:
    """The table of a run that took so long, with what it was measured on."""
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} in {seconds:.0f} s: {machine()}.",
        "",
        table(COLUMNS, (row.cells() for row in rows)),
        "*both* is the sum of the medians of the two floors.",
        "",
    ]
    return "\n".join(lines)


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
