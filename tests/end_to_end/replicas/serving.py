"""Several servers on one Postgres."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from reflexio_server.access.caller import AccessRole
from reflexio_server.store.location import driver_url

from tests.end_to_end.stand.server_process import ServerProcess
from tests.identity.tenants import made

WITH_KEYS = ("--auth", "api-key")
"""Flags of `reflexio serve`."""


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


def keys_of_two_organisations(database_url: str) -> list[str]:
    """Keys of administrators: of the organisation that is there from the beginning, and of one that is made here."""
    url = driver_url(database_url)
    return [tenant.keys[AccessRole.ADMIN] for tenant in (made(url, org_id=1), made(url))]
