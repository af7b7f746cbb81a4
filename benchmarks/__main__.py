"""Measures the service beside its floors: `python -m benchmarks [--quick] [--markdown FILE]`."""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from benchmarks import publish, search
from benchmarks.report import Row, markdown
from benchmarks.stand import standing
from benchmarks.workload import FULL, QUICK, Effort


def main() -> None:
    """Measure, and write the table to standard output and, if asked, to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the service beside its floors.")
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs, not how fast")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into this file too")
    arguments = parser.parse_args()
    # An operator's settings must not decide what is measured.
    for name in [name for name in os.environ if name.startswith("REFLEXIO_")]:
        del os.environ[name]
    started = time.perf_counter()
    rows = asyncio.run(_measured(QUICK if arguments.quick else FULL))
    table = markdown(rows, time.perf_counter() - started)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table, encoding="utf-8")
    print(table)


async def _measured(effort: Effort) -> list[Row]:
    rows = []
    async with standing() as stand:
        await search.write_histories(stand, effort)
        for part in (publish.measured(stand, effort), search.measured(stand, effort)):
            async for row in part:
                print(" · ".join(row.cells()), file=sys.stderr, flush=True)
                rows.append(row)
    return rows


if __name__ == "__main__":
    main()
