"""Everything that is counted and measured, each instrument once. docs/operations.md has the table for operators.

Attributes have few values, all of them from the code or the schema: neither users nor organisations, neither texts
nor addresses. Whoever wants those has them in traces and in the log.
"""

from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

_meter = metrics.get_meter("reflexio")

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of durations."""

call_seconds = _meter.create_histogram(
    "rpc.server.call.duration",
    unit="s",
    description="How long calls took, by method and status.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
refusals = _meter.create_counter(
    "reflexio.refusals", description="Calls, and messages of streams, that were refused or failed, by reason and limit."
)
statement_seconds = _meter.create_histogram(
    "db.client.operation.duration",
    unit="s",
    description="How long statements to Postgres took, by what they do to which table first.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
batch_seconds = _meter.create_histogram(
    "reflexio.embedding.batch.duration",
    unit="s",
    description="How long the embedding model took for a batch, by how urgent it was.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
texts = _meter.create_counter(
    "reflexio.embedding.texts", description="Pieces of text given to the embedding model, by how urgent they were."
)
searches = _meter.create_counter("reflexio.searches", description="Searches, by mode.")
published = _meter.create_counter("reflexio.published.interactions", description="Interactions that were stored.")
index_reads = _meter.create_counter(
    "reflexio.index.reads",
    description="Reads of a partition: it was current in memory (hit), behind (caught_up) or not there (loaded).",
)
index_drops = _meter.create_counter(
    "reflexio.index.drops",
    description="Partitions dropped from memory: for want of room (eviction), or as they held what is gone (stale).",
)


class Gauge:
    """A value that is asked for when somebody looks, from the thread of whoever does."""

    def __init__(self, name: str, description: str, unit: str = "") -> None:
        self.source: Callable[[], float | None] | None = None
        """Gives the value, None where there is none now. Set by the server that runs in this process."""
        _meter.create_observable_gauge(name, [self._observe], unit=unit, description=description)

    def _observe(self, _: CallbackOptions) -> Iterable[Observation]:
        value = self.source() if self.source is not None else None
        return () if value is None else (Observation(value),)


serving = Gauge("reflexio.serving", "1 while calls are answered, else 0.")
database_up = Gauge("reflexio.database.up", "1 while Postgres answers, else 0.")
connections_used = Gauge("reflexio.database.connections.used", "Connections of the pool that are in use.")
connections_most = Gauge("reflexio.database.connections.max", "Connections that the pool may have.")
waiting = Gauge(
    "reflexio.embedding.waiting", "Interactions of everybody that wait for being embedded, as all replicas see it."
)
oldest_waiting = Gauge("reflexio.embedding.oldest.age", "How long the oldest of them has waited.", "s")
set_aside = Gauge("reflexio.embedding.set_aside", "Interactions on which the embedding model failed for good.")
index_bytes = Gauge("reflexio.index.size", "Memory that partitions take.", "By")
index_most_bytes = Gauge("reflexio.index.size.max", "Memory that partitions may take that nobody is using.", "By")
index_partitions = Gauge("reflexio.index.partitions", "Partitions in memory.")

GAUGES = (
    serving,
    database_up,
    connections_used,
    connections_most,
    waiting,
    oldest_waiting,
    set_aside,
    index_bytes,
    index_most_bytes,
    index_partitions,
)


def begin_at_zero() -> None:
    """Have counters there before the first time: what begins at one looks as if nothing had happened."""
    for mode in ("hybrid", "vector", "fts", "newest"):
        searches.add(0, {"mode": mode})
    for outcome in ("hit", "caught_up", "loaded"):
        index_reads.add(0, {"outcome": outcome})
    for reason in ("eviction", "stale"):
        index_drops.add(0, {"reason": reason})
    published.add(0)


def forget_sources() -> None:
    """Let go of the server that has stopped."""
    for gauge in GAUGES:
        gauge.source = None
