"""Measures the service beside its floors: `python -m benchmarks [--quick] [--into FOLDER] [PART …]`.

A full run of all parts writes its figures and its plot into docs/performance.md and README.md, in place.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import cached_memory, embedding, growth, product, publish, reads, search
from benchmarks.document import refresh, require
from benchmarks.plot import draw
from benchmarks.processes import forget_settings
from benchmarks.report import Section, headlines, machine, missed
from benchmarks.stand import Stand, standing
from benchmarks.workload import FULL, QUICK, Effort

_ROOT = Path(__file__).parents[1]

_FIGURES = ("docs/performance.md", "figures")
_HEADLINES = ("README.md", "headlines")
"""Documents, and the places in them that a run fills."""

# Each on its own, before and after those on one stand: in the benchmark's process, or with servers that it starts.
BEFORE: dict[str, Callable[[Effort], Awaitable[Section]]] = {
    "embedding": embedding.section,
}
AFTER: dict[str, Callable[[Effort], Awaitable[Section]]] = {
    "growth": growth.section,
}

# On one stand, in this order.
TOGETHER: dict[str, Callable[[Stand, Effort], Awaitable[Section]]] = {
    "publish": publish.section,
    "search": search.section,
    "reads": reads.section,
    "memory": cached_memory.section,
}

PARTS = (*BEFORE, *TOGETHER, *AFTER)

PRODUCT = "product"
"""The name of the section that compares what the parts measured with published figures."""


def main() -> None:
    """Measure, write the tables to standard output and, of a full run, into the documents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the service beside its floors.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)}; all, if none is named")
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs, not how fast")
    parser.add_argument(
        "--into",
        type=Path,
        metavar="FOLDER",
        help="refresh README.md, docs/performance.md and docs/performance.png of this folder; "
        "a full run of all parts refreshes the project's own, any other run nothing",
    )
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.parts if name not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if arguments.parts and arguments.into:
        parser.error("--into needs all parts")
    forget_settings()
    into = arguments.into or (None if arguments.quick or arguments.parts else _ROOT)
    if into is not None:
        require(into / _FIGURES[0], _FIGURES[1])
        require(into / _HEADLINES[0], _HEADLINES[1])
    started = time.perf_counter()
    effort = QUICK if arguments.quick else FULL
    sections = asyncio.run(_measured(arguments.parts or PARTS, effort))
    run = f"Measured on {datetime.now(UTC):%Y-%m-%d} in {time.perf_counter() - started:.0f} s: {machine()}."
    text = "\n".join([run, "", *(section.markdown() for section in sections.values())])
    print(text)
    if failed := missed(sections.values()):
        print("Targets missed:", *failed, sep="\n  ", file=sys.stderr)
    if into is not None:
        draw(sections, into / "docs" / "performance.png")
        refresh(into / _FIGURES[0], _FIGURES[1], text)
        refresh(into / _HEADLINES[0], _HEADLINES[1], f"{run}\n\n{headlines(sections.values())}")


async def _measured(parts: Sequence[str], effort: Effort) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    started = time.perf_counter()
    async for name, section in _sections(parts, effort):
        print(f"{name}: done after {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        sections[name] = section
    return sections


async def _sections(parts: Collection[str], effort: Effort) -> AsyncIterator[tuple[str, Section]]:
    found: list[Section] = []
    for name in [name for name in BEFORE if name in parts]:
        yield name, await BEFORE[name](effort)
    # A pause of the callers' garbage collector would count as the service's slowest call.
    gc.collect()
    gc.freeze()
    if together := [name for name in TOGETHER if name in parts]:
        async with standing() as stand:
            await search.write_histories(stand, effort)
            for name in together:
                found.append(await TOGETHER[name](stand, effort))
                yield name, found[-1]
    for name in [name for name in AFTER if name in parts]:
        yield name, await AFTER[name](effort)
    if (beside := product.section(found)).rows:
        yield PRODUCT, beside


if __name__ == "__main__":
    main()
