"""Publishing and searching while others have ever more stored, on a server of its own."""

from benchmarks.database import connect
from benchmarks.filling import write_history
from benchmarks.publish import publishing
from benchmarks.report import Row, Section, at_most
from benchmarks.search import FLOOR, SERVICE, searching
from benchmarks.stand import standing
from benchmarks.timing import in_turns
from benchmarks.workload import Effort

_READER = "reader"
_HISTORY = 1_000
_OF_ANOTHER = 1_000
"""Interactions of each of the others."""

_FLAT = 1.3
"""Issue 4 says "flat within noise": measured again, a figure may differ by so much on a machine that others use."""


async def section(effort: Effort) -> Section:
    """Rows for each number of stored interactions; the floor beside them, whose tables do not grow, tells the noise."""
    rows: list[Row] = []
    plotted: dict[str, list[tuple[float, float]]] = {"publish": [], "search": []}
    first: dict[str, float] = {}
    written = 0
    async with standing() as stand:
        connection = await connect(stand.service.database_url)
        try:
            await write_history(connection, _READER, _HISTORY)
            for stored in effort.stored:
                while written < stored:
                    size = min(_OF_ANOTHER, stored - written)
                    await write_history(connection, f"other {written}", size)
                    written += size
                await connection.execute("vacuum analyze")
                await connection.execute("checkpoint")
                for name, contenders in (
                    ("publish", publishing(stand, wait=False, seed=stored)),
                    ("search", searching(stand, _READER)),
                ):
                    samples = await in_turns({key: contenders[key] for key in (FLOOR, SERVICE)}, 1, effort)
                    floor, service = (samples[key].percentile(50) for key in (FLOOR, SERVICE))
                    begun = first.setdefault(name, service / floor)
                    plotted[name].append((stored, service / floor))
                    rows.append(_row(name, stored, floor, service, begun, effort))
                await stand.service.settle()
        finally:
            await connection.close()
    rows.sort(key=lambda row: row.call.split(",")[0])
    return Section(
        f"Growth: others have so many interactions stored; the searched user has {_HISTORY:,}",
        rows,
        ("call", "floor", "service", f"p50 / floor, against that at {effort.stored[0]:,}", "target", "met"),
        notes=[f'"Flat within noise" is taken as at most {_FLAT:g} times the first ratio.'],
        plotted=plotted,
    )


def _row(name: str, stored: int, floor: float, service: float, begun: float, effort: Effort) -> Row:
    call = f"{name}, {stored:,} stored: p50"
    target = None if stored == effort.stored[0] else at_most(_FLAT)
    return Row(call, "ms", floor, service, service / floor / begun, target)
