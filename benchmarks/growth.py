"""Publishing and searching while others have ever more stored: a server for each amount, measured in turns."""

from contextlib import AsyncExitStack
from dataclasses import replace

from benchmarks import publish, search
from benchmarks.database import connect, new_database, opened, postgres
from benchmarks.filling import write_history
from benchmarks.report import Row, Section, at_most
from benchmarks.stand import Service, serving
from benchmarks.timing import Contender, in_turns
from benchmarks.workload import Effort

_READER = "reader"
_HISTORY = 1_000
_OF_ANOTHER = 1_000
"""Interactions of each of the others."""

_FLAT = 1.3
"""Issue 4 says "flat within noise": measured again, a figure may differ by so much on a machine that others use."""


_LESS = 3
"""A median needs fewer calls than a throughput, and what is published has to be embedded between the turns."""


async def section(effort: Effort) -> Section:
    """Each amount of stored interactions beside the smallest."""
    rows: list[Row] = []
    plotted: dict[str, list[tuple[float, float]]] = {}
    async with AsyncExitStack() as started:
        url = await started.enter_async_context(postgres())
        services: dict[int, Service] = {}
        for stored in effort.stored:
            filled = await _filled(url, stored)
            services[stored] = await started.enter_async_context(serving(filled))

        async def settle() -> None:
            for service in services.values():
                await service.settle()

        kinds: dict[str, dict[str, Contender]] = {
            "publish": {str(n): publish.by_stubs(service.stubs, settle) for n, service in services.items()},
            "search": {str(n): search.by_stubs(service.stubs, _READER) for n, service in services.items()},
        }
        for kind, contenders in kinds.items():
            samples = await in_turns(contenders, replace(effort, calls=max(effort.calls // _LESS, 1)))
            p50 = {stored: samples[str(stored)].percentile(50) for stored in effort.stored}
            plotted[kind] = list(p50.items())
            first, *larger = p50
            rows += [
                Row(f"{kind}, {n:,} stored: p50", "ms", p50[first], p50[n], p50[n] / p50[first], at_most(_FLAT))
                for n in larger
            ]
            await settle()
    return Section(
        f"Growth: others have so many interactions stored; the searched user has {_HISTORY:,}",
        rows,
        ("call", f"with {effort.stored[0]:,}", "with so many", "ratio", "target", "met"),
        notes=[f'"Flat within noise" is taken as at most {_FLAT:g} times as long.'],
        plotted=plotted,
    )


async def _filled(url: str, stored: int) -> str:
    """The URL of a new database in which others have so much."""
    filled = await new_database(url, f"with_{stored}")
    async with opened(filled):
        connection = await connect(filled)
    try:
        await write_history(connection, _READER, _HISTORY)
        for start in range(0, stored, _OF_ANOTHER):
            await write_history(connection, f"other {start}", min(_OF_ANOTHER, stored - start))
        await connection.execute("vacuum analyze")
        await connection.execute("checkpoint")
    finally:
        await connection.close()
    return filled
