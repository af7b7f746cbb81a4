"""How long an agent is held up by publishing: `python -m benchmarks.hand_over [--quick] [--url URL] [--markdown FILE]`.

The contenders take turns, with the same exchange of two messages:

- a hand-over to `BackgroundPublisher` while the server is there, and what was handed over before is being sent;
- a hand-over while no server is there;
- one bare row with the same bytes, inserted into a SQLite file of its own with the same durability;
- `publish_interaction`, acknowledged.
"""

import argparse
import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from reflexio import BackgroundPublisher, ReflexioClient

from benchmarks import messages
from benchmarks.processes import forget_settings
from benchmarks.report import machine, table
from benchmarks.stand import serving
from benchmarks.timing import Sample
from benchmarks.workload import exchanges

COLUMNS = ("what the agent waits for", "calls", "p50 µs", "p99 µs", "longest µs")
THERE = "hand-over, server there"
AWAY = "hand-over, server away"
BARE = "bare SQLite insert"
ACKNOWLEDGED = "publish_interaction, acknowledged"

_NOWHERE = "http://127.0.0.1:9"
_PAUSE_SECONDS = 0.001
"""Between two calls: an agent does something else too, and so can the thread that sends."""

Contender = Callable[[list[dict[str, Any]]], object]


def main() -> None:
    """Measure, and write the table to standard output and, if asked, to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hand_over", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs, not how fast")
    parser.add_argument("--url", help="a server that is there already; without it, one is started")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into this file too")
    arguments = parser.parse_args()
    forget_settings()
    calls = 20 if arguments.quick else 1000
    samples = measured(arguments.url, calls) if arguments.url else asyncio.run(_with_a_server(calls))
    table = markdown(samples)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table, encoding="utf-8")
    print(table)


async def _with_a_server(calls: int) -> Mapping[str, Sample]:
    async with serving() as service:
        return await asyncio.to_thread(measured, service.client.url_endpoint, calls)


def measured(url: str, calls: int, rounds: int = 4) -> Mapping[str, Sample]:
    """Have each contender make so many calls in each of the rounds."""
    samples = {name: Sample() for name in (THERE, AWAY, BARE, ACKNOWLEDGED)}
    said = exchanges(3)
    with ExitStack() as open_things:
        folder = Path(open_things.enter_context(tempfile.TemporaryDirectory(prefix="reflexio-benchmark-")))
        there = open_things.enter_context(BackgroundPublisher(url_endpoint=url, spool_folder=folder))
        contenders = _contenders(open_things, folder, url, there)
        for _ in range(rounds):
            for name, contender in contenders.items():
                # The first of a turn finds caches cold and does not count.
                contender(next(said))
                # Slower by orders of magnitude, and steadier.
                _turn(samples[name], contender, said, calls // 10 if name == ACKNOWLEDGED else calls)
                there.flush(600)
    return samples


def _contenders(open_things: ExitStack, folder: Path, url: str, there: BackgroundPublisher) -> dict[str, Contender]:
    away = BackgroundPublisher(url_endpoint=_NOWHERE, spool_folder=folder, max_bytes=2**32)
    open_things.callback(away.close, 0)
    client = open_things.enter_context(ReflexioClient(url_endpoint=url))
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    open_things.callback(bare.close)
    for pragma in ("journal_mode = wal", "synchronous = normal", "wal_autocheckpoint = 0"):
        bare.execute(f"pragma {pragma}")
    bare.execute("create table rows (number integer primary key, payload blob not null)")
    payload = messages.publish_request("ana", next(exchanges(4)), wait=False).SerializeToString()
    return {
        THERE: lambda said: there.publish("ana", said, messages.SOURCE, session_id="s"),
        AWAY: lambda said: away.publish("ana", said, messages.SOURCE, session_id="s"),
        BARE: lambda _: bare.execute("insert into rows (payload) values (?)", (payload,)),
        ACKNOWLEDGED: lambda said: client.publish_interaction("ana", said, messages.SOURCE, session_id="s"),
    }


def _turn(sample: Sample, contender: Contender, said: Iterator[list[dict[str, Any]]], calls: int) -> None:
    for _ in range(calls):
        exchange = next(said)
        before = time.perf_counter()
        contender(exchange)
        sample.latencies.append(time.perf_counter() - before)
        time.sleep(_PAUSE_SECONDS)


def markdown(samples: Mapping[str, Sample]) -> str:
    """The table, with what it was measured on."""
    rows = []
    for name, sample in samples.items():
        figures = (sample.percentile(percent) * 1000 for percent in (50, 99, 100))
        rows.append([name, f"{len(sample.latencies):,}", *(f"{figure:,.0f}" for figure in figures)])
    return f"Measured on {machine()}.\n\n{table(COLUMNS, rows)}"


if __name__ == "__main__":
    main()
