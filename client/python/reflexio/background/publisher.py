"""The publishers that an agent holds."""

import asyncio
import os
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Self

from reflexio import models
from reflexio._tls import TlsOptions
from reflexio._transport.exchange import Connection
from reflexio.background.core import Core, looks
from reflexio.background.counters import BackgroundCounters
from reflexio.background.options import Options, WhenFull
from reflexio.background.publication import BackgroundPublish
from reflexio.background.reporter import OnRefused
from reflexio.errors import ReflexioError

DEFAULT_MAX_BYTES = 256 * 1024 * 1024
CLOSE_SECONDS = 5.0


class _Publisher:
    """What both publishers have."""

    def __init__(
        self,
        api_key: str = "",
        url_endpoint: str = "",
        timeout: float | None = None,
        *,
        on_refused: OnRefused | None = None,
        spool_folder: str | os.PathLike[str] | None = None,
        account: str | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        when_full: WhenFull = "refuse",
        max_age: float | None = None,
        concurrency: int = 8,
        tls: TlsOptions | None = None,
    ) -> None:
        """Prepare a publisher, and begin to send what an earlier process has left in the spool.

        Args:
            api_key: As for `ReflexioClient`. It is never written to disk.
            url_endpoint: As for `ReflexioClient`.
            timeout: Seconds that one attempt may take. None: 30.
            on_refused: Called as `on_refused(publish, error)`, in a thread of its own, with a `BackgroundPublish` and
                why it was not taken, refused by the server, expired or dropped. What it raises is counted only.
            spool_folder: Where spools are kept, on a local disk. None: `REFLEXIO_SPOOL_DIR`, else the user's state
                folder (`$XDG_STATE_HOME/reflexio/spool`, usually `~/.local/state/reflexio/spool`). Below it each
                endpoint and API key has a spool of its own, which all processes of this user share.
            account: Stands for the API key in the choice of the spool. Give a name of your own to publishers whose
                keys belong to one organisation: what was handed over with an old key is then sent with the new one.
            max_bytes: How much may wait in the spool. Its files take up to a fifth more, and the log beside them up
                to 64 MiB.
            when_full: `"refuse"` what is new, or `"drop_oldest"`; both are counted and reported.
            max_age: Seconds after which what still waits is refused. None: never.
            concurrency: How many sessions are sent side by side, 1 to 100.
            tls: As for `ReflexioClient`.

        Raises:
            InvalidArgumentError: One of these cannot be used. A spool that cannot be opened raises nothing: it is tried
                again at each publish.
        """
        options = Options(spool_folder, account, max_bytes, when_full, max_age, concurrency, on_refused)
        self._core = Core(Connection.open(api_key, url_endpoint, timeout, tls), options)
        weakref.finalize(self, self._core.let_go).atexit = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url_endpoint={self.url_endpoint!r})"

    @property
    def url_endpoint(self) -> str:
        """The endpoint in use, as it was written where it was found."""
        return self._core.connection.endpoint.url

    @property
    def counters(self) -> BackgroundCounters:
        """What was taken, published, refused and so on, and what waits. Reads the spool."""
        return self._core.counters()

    @property
    def last_error(self) -> ReflexioError | None:
        """Why what waits cannot be sent: what the last attempt, or use of the spool, failed with. None while it works.

        Only in the process that sends; refusals are told to `on_refused`, and are none of this.
        """
        return self._core.last_error

    def publish(
        self,
        user_id: str,
        interactions: Iterable[models.InteractionData | Mapping[str, Any]],
        source: str = "",
        agent_version: str = "",
        session_id: str | None = None,
        skip_aggregation: bool = False,
        force_extraction: bool = False,
        *,
        request_group: str | None = None,
        idempotency_key: str | None = None,
    ) -> bool:
        """Hand interactions over, to be stored as one request. Takes a fraction of a millisecond and never raises.

        It takes longer where the disk does: about once a second a hand-over waits until the beginning of the log is
        synced. While another process keeps the spool locked it waits for some 50 ms, twice or thrice; from then on
        publishes are held in memory, 1,000 and 16 MiB at most, and written in their order as soon as the file is free.
        Only then, and after a burst of some 5,000, may further ones wait for up to 50 ms each until that is done.

        The arguments are those of `ReflexioClient.publish_interaction`. Interactions without `created_at` get the
        present time, whenever they are sent.

        Returns:
            True: they are on disk, or held as said above, and are sent until a server answers. False: they were not
            taken; `on_refused` is told why. It is also told, at the end, of what was held and could not be written.
        """
        given = BackgroundPublish(
            user_id,
            interactions,
            source,
            agent_version,
            session_id,
            skip_aggregation,
            force_extraction,
            idempotency_key,
        )
        return self._core.publish(given, request_group)


class BackgroundPublisher(_Publisher):
    """Publishes without holding the caller up, and without losing anything.

        publisher = reflexio.BackgroundPublisher()
        publisher.publish("ana", [{"role": "User", "content": "I have moved to Lisbon."}], session_id="chat-7")

    `publish` writes to a file of this user (a SQLite database, the *spool*) and returns; a thread sends what is there.

    - What was handed over survives `kill -9` of the process from the moment when `publish` returned True, and a loss of
      power from about a second later. The next publisher for the same endpoint and API key sends what was left. Only
      what came while another process kept the spool locked for longer than 50 ms is on disk a moment later.
    - Each publish has its idempotency key from the hand-over on, so a crash stores nothing twice.
    - What has the same user and session is sent in the order of the hand-over, one after the other; sessions go side by
      side. Of several processes with the same spool one sends; another takes over when it ends, or when the server does
      not know its key.
    - A server that is away, overloaded or slow is tried again for ever, with pauses that grow to 15 seconds, or as long
      as it asks for. With an API key that is missing, wrong or not allowed to publish everything is kept and tried
      about every minute. A publish that the server refuses is dropped and reported; its session goes on. A fault of
      the server (`InternalError`) counts as a refusal when it has come for some minutes in which publishes of other
      sessions were stored; while none is, the server may be in an outage, and nothing is given up for that.
    - When sending begins to fail, the logger `reflexio` has one warning for each kind of error ("3 publishes wait: …;
      trying again"), and one info when it works again: neither what was said nor the API key. `last_error` has the
      error meanwhile.
    - The server knows a key for seven days. A publish that was sent once, to which no answer came, and that could not
      be sent again for seven days is refused (`PublishExpiredError`): it may be stored. One that was never sent waits
      as long as it takes.

    Safe across threads and event loops. A forked child has a thread of its own from its first use on, and shares the
    spool. Nothing is raised when the disk is full or the folder is removed: `publish` returns False, or makes a new
    one. At the end of the interpreter it sends for at most a second more; what is left is sent next time.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until everything in the spool that was handed over before is at the server, or was refused by it.

        Returns:
            Whether that came true within `timeout` seconds.
        """
        reached = self._core.goal()
        self._core.hurry()
        return self._core.wait(reached, timeout)

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Take nothing more, flush for at most `timeout` seconds, and end. What is left stays in the spool.

        Returns:
            Whether nothing is left.
        """
        self._core.take_no_more()
        flushed = self.flush(timeout if self._core.running else 0)
        self._core.end()
        return flushed


class AsyncBackgroundPublisher(_Publisher):
    """`BackgroundPublisher` for event loops: `flush` and `close` are awaited.

    `publish` is not: there is nothing in it to wait for. It holds up the loop for as long as it takes to write a few
    hundred bytes into a file, and for 50 ms where another process has that locked.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def flush(self, timeout: float = 30.0) -> bool:  # noqa: ASYNC109  # An answer, and no cancelling, when it is over.
        """Wait until everything in the spool that was handed over before is at the server, or was refused by it.

        Returns:
            Whether that came true within `timeout` seconds.
        """
        reached = self._core.goal()
        self._core.hurry()
        for pause in looks(timeout):
            if reached():
                return True
            await asyncio.sleep(pause)
        return reached()

    async def close(self, timeout: float = CLOSE_SECONDS) -> bool:  # noqa: ASYNC109  # As above.
        """Take nothing more, flush for at most `timeout` seconds, and end. What is left stays in the spool.

        Returns:
            Whether nothing is left.
        """
        self._core.take_no_more()
        flushed = await self.flush(timeout if self._core.running else 0)
        await asyncio.to_thread(self._core.end)
        return flushed
