"""A server that tells where its event loop's time goes: `python -m benchmarks.sampled DATABASE_URL`.

It announces its address as `listening on HOST:PORT`. Then each line on standard input that says `begin` starts the
sampling, and each that says `end` writes one line of JSON: processor seconds of the event loop's thread by layer, of
the process's other threads together, and the samples taken.

Every few milliseconds of work a timer interrupts the main thread; its processor time since the last interruption is
given to the innermost layer on the stack. Compiled code has no frames of its own: its time goes to whoever called it.
Nothing is traced, so what is measured is hardly slowed.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from types import FrameType

from pydantic import SecretStr
from reflexio_server import logs
from reflexio_server.app import Application
from reflexio_server.settings import Settings

_INTERVAL_SECONDS = 0.001

EVENT_LOOP = "event loop and gRPC's core"

# In a path: the layer. The first that fits, from the innermost frame outwards; what fits none is its caller's.
_LAYERS = {
    "/reflexio_server/rpc/interceptors/validation": "validation",
    "/reflexio_server/validate/": "validation",
    "/protovalidate/": "validation",
    "/reflexio_server/rpc/interceptors/": "interceptors",
    "/reflexio_server/rpc/": "rpc: handlers and messages",
    "/reflexio_server/publish/": "publish",
    "/reflexio_server/search/": "search",
    "/reflexio_server/index/": "index",
    "/reflexio_server/embed/": "embed",
    "/reflexio_server/store/": "store",
    "/sqlalchemy/": "SQLAlchemy",
    "/asyncpg/": "asyncpg",
    # Whose callback reads what Postgres sends; gRPC has sockets of its own.
    "/asyncio/selector_events.py": "asyncpg",
    "/grpc/": EVENT_LOOP,
    "/asyncio/": EVENT_LOOP,
    "/selectors.py": EVENT_LOOP,
}

OTHER = "other"

LAYERS = (*dict.fromkeys(_LAYERS.values()), OTHER)


class Sampler:
    """Counts the processor time of the main thread by layer."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._layer_of_file: dict[str, str] = {}
        self._samples = 0
        self._last = self._of_all = self._of_loop = 0.0
        signal.signal(signal.SIGPROF, self._sample)
        signal.siginterrupt(signal.SIGPROF, False)

    def begin(self) -> None:
        """Start anew."""
        self._seconds.clear()
        self._samples = 0
        self._of_all, self._of_loop = time.process_time(), time.thread_time()
        self._last = self._of_loop
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL_SECONDS, _INTERVAL_SECONDS)

    def end(self) -> dict[str, object]:
        """Stop; gives what was counted."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        of_loop = time.thread_time() - self._of_loop
        of_all = time.process_time() - self._of_all
        return {"layers": dict(self._seconds), "other_threads": of_all - of_loop, "samples": self._samples}

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        self._seconds[self._layer(frame)] += now - self._last
        self._samples += 1
        self._last = now

    def _layer(self, frame: FrameType | None) -> str:
        while frame is not None:
            file = frame.f_code.co_filename
            layer = self._layer_of_file.get(file)
            if layer is None:
                layer = next((name for part, name in _LAYERS.items() if part in file), "")
                self._layer_of_file[file] = layer
            if layer:
                return layer
            frame = frame.f_back
        return OTHER


async def serve(database_url: str) -> None:
    """Serve, and obey, until standard input ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    # Like a server: what it logs goes to standard error.
    logs.configure("warning", "console")
    settings = Settings(port=0, database_url=SecretStr(database_url))
    async with Application(settings) as application:
        sampler = Sampler()
        print(f"listening on 127.0.0.1:{application.port}", flush=True)
        while line := (await lines.readline()).strip():
            if line == b"begin":
                sampler.begin()
            else:
                print(json.dumps(sampler.end()), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
