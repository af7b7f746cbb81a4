"""Publishing in the background: a hand-over to a file, and a thread that sends what is in it.

| file | what it has |
|---|---|
| `publisher` | the two publishers that an agent holds |
| `core`, `options` | what both are: start, fork, end |
| `publication` | what is handed over: as it was given, and as bytes |
| `spool`, `spool_file`, `location` | the file on disk, and where it is |
| `held` | what waits in memory while somebody else has the file locked |
| `sender`, `flight` | the thread that sends, and its calls under way |
| `sender_lock` | which of several processes sends |
| `presence` | whether the server answers |
| `lanes`, `pauses`, `verdict`, `expiry` | whose turn it is, when to try again, when to give up: without any I/O |
| `counters`, `reporter`, `outage` | what an application is told |
"""

from reflexio.background.counters import BackgroundCounters
from reflexio.background.errors import PublishExpiredError, SpoolError, SpoolFullError
from reflexio.background.publication import BackgroundPublish
from reflexio.background.publisher import AsyncBackgroundPublisher, BackgroundPublisher

__all__ = [
    "AsyncBackgroundPublisher",
    "BackgroundCounters",
    "BackgroundPublish",
    "BackgroundPublisher",
    "PublishExpiredError",
    "SpoolError",
    "SpoolFullError",
]
