"""Several servers on one Postgres."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.end_to_end.stand.server_process import ServerProcess


@contextmanager
def replicas(database_url: str, count: int, folder: Path, *flags: str) -> Iterator[list[ServerProcess]]:
    """Server processes that share a database. They log every call; `flags` are further ones of `reflexio serve`."""
    servers = [
        ServerProcess(folder, f"replica-{number}", "--database-url", database_url, "--log-level", "debug", *flags)
        for number in range(count)
    ]
    with ExitStack() as stack:
        for server in servers:
            server.launch()
            stack.callback(server.end)
        for server in servers:
            server.wait_until_listening()
        yield servers
