"""Measures the service at its limits: `python -m benchmarks.limits [--quick] [--markdown FILE] [PART …]`."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import deletes, large_user, memory, startup
from benchmarks.processes import forget_settings
from benchmarks.report import machine


@dataclass(frozen=True, slots=True)
class _Part:
    measure: Callable[..., Awaitable[str]]
    """Gives a section in Markdown; the options say how much is measured."""
    full: dict[str, int]
    quick: dict[str, int]


PARTS = {
    "memory": _Part(
        memory.measured,
        {"users": 5000, "interactions": 200, "budget_mib": 64, "passes": 3},
        {"users": 40, "interactions": 100, "budget_mib": 1, "passes": 2},
    ),
    "large_user": _Part(
        large_user.measured,
        {"count": 1_000_000, "searches": 50},
        {"count": 20_000, "searches": 5},
    ),
    "startup": _Part(
        startup.measured,
        {"small": 1000, "large": 1_000_000, "starts": 2},
        {"small": 100, "large": 2000, "starts": 1},
    ),
    "deletes": _Part(
        deletes.measured,
        {"count": 100_000, "beside": 20_000, "seconds": 10},
        {"count": 500, "beside": 100, "seconds": 1},
    ),
}


def main() -> None:
    """Measure, and write the sections to standard output and, if asked, to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description="Measure the service's limits.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)}; all, if none is named")
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs, not how fast")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the sections into this file too")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.parts if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}")
    forget_settings()
    sections = [f"Measured on {machine()}.\n"]
    for name in arguments.parts or PARTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        part = PARTS[name]
        sections.append(asyncio.run(_section(part, quick=arguments.quick)))
    text = "\n".join(sections)
    if arguments.markdown is not None:
        arguments.markdown.write_text(text, encoding="utf-8")
    print(text)


async def _section(part: _Part, *, quick: bool) -> str:
    return await part.measure(**(part.quick if quick else part.full))


if __name__ == "__main__":
    main()
