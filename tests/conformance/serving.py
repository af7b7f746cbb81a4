"""The server that runners call: a process of its own that asks for keys, and that can be killed and started again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reflexio_server.access.caller import AccessRole

from tests.end_to_end.stand.server_process import ServerProcess
from tests.identity.tenants import made
from tests.running import Postgres

_OPERATOR = 1


class Served:
    """A server on an empty database, with the key of an administrator of organisation 1."""

    def __init__(self, process: ServerProcess, key: str) -> None:
        self._process = process
        self.key = key

    @property
    def target(self) -> str:
        """Where it listens: host and port."""
        return self._process.target

    def restart(self) -> None:
        """Kill it, and start it again on the same port."""
        self._process.kill()
        self._process.start()


@contextmanager
def served(postgres: Postgres, folder: Path, name: str) -> Iterator[Served]:
    """Start one, with the limit that the table tells of."""
    url = postgres.new_database()
    flags = ("--database-url", url, "--auth", "api-key", "--max-interactions-per-second", "200")
    process = ServerProcess(folder, f"server-{name}", *flags)
    try:
        process.start()
        yield Served(process, made(url, org_id=_OPERATOR).keys[AccessRole.ADMIN])
    finally:
        process.end()
