"""Everything that is counted and measured, each instrument once. docs/operations.md has the table for operators.

Attributes have few values, all of them from the code or the schema: neither users nor organisations, neither texts
nor addresses. Whoever wants those has them in traces and in the log.
"""

from reflexio_server.telemetry.instruments import Counter, Gauge, histogram

call_seconds = histogram("rpc.server.call.duration", "How long calls took, by method and status.")
refusals = Counter(
    "reflexio.refusals",
    "Calls, and messages of streams, that were refused or failed, by reason and limit.",
    "reason",
    "limit",
)
statement_seconds = histogram(
    "db.client.operation.duration", "How long statements to Postgres took, by what they do to which table first."
)
batch_seconds = histogram(
    "reflexio.embedding.batch.duration", "How long the embedding model took for a batch, by how urgent it was."
)
texts = Counter(
    "reflexio.embedding.texts", "Pieces of text given to the embedding model, by how urgent they were.", "priority"
)
searches = Counter("reflexio.searches", "Searches, by mode.", "mode")
published = Counter("reflexio.published.interactions", "Interactions that were stored.")
index_reads = Counter(
    "reflexio.index.reads",
    "Reads of a partition: it was current in memory (hit), behind (caught_up) or not there (loaded).",
    "outcome",
)
index_drops = Counter(
    "reflexio.index.drops",
    "Partitions dropped from memory: for want of room (eviction), or as they held what is gone (stale).",
    "reason",
)
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
        searches.add(0, mode)
    for outcome in ("hit", "caught_up", "loaded"):
        index_reads.add(0, outcome)
    for reason in ("eviction", "stale"):
        index_drops.add(0, reason)
    published.add(0)


def forget_sources() -> None:
    """Let go of the server that has stopped."""
    for gauge in GAUGES:
        gauge.source = None
