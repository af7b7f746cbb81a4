"""What breaks, on purpose. To add a fault, write a function and put it into `FAULTS` under the name for the report."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg
import reflexio

from tests.end_to_end.faults.disk import filled
from tests.end_to_end.faults.proxy import Proxy
from tests.end_to_end.stand.postgres_process import PostgresProcess, kill_postgres
from tests.end_to_end.stand.server_process import ServerProcess

_TABLES = ("requests", "interactions", "images", "embedding_queue", "idempotency_keys", "vectors", "user_versions")
_RECOVERY_CALLS = 6


@dataclass
class Stand:
    """The running parts of a round."""

    servers: Sequence[ServerProcess]
    to_servers: Sequence[Proxy]
    """Between clients and servers, one for each server."""
    postgres: PostgresProcess | None = None
    """None where the only server runs its own, in `data_dir`."""
    to_postgres: Proxy | None = None
    database: str = ""
    data_dir: Path = Path()
    disk: Path | None = None
    """The small disk of Postgres, where it has one."""
    api_key: str = ""
    """An administrator's, where the servers ask for one."""
    complaints: list[str] = field(default_factory=list)
    """What the faults themselves found wrong."""

    def calm(self) -> None:
        """Let everything through again."""
        for proxy in self._proxies():
            proxy.calm()

    def _proxies(self) -> list[Proxy]:
        return [*self.to_servers, *([self.to_postgres] if self.to_postgres is not None else [])]


Fault = Callable[[Stand, Random], None]


def kill_a_server(stand: Stand, chance: Random) -> None:
    server = chance.choice(stand.servers)
    server.kill()
    time.sleep(chance.uniform(0, 0.5))
    server.start()


def kill_a_worker(stand: Stand, chance: Random) -> None:
    """Its supervisor replaces it."""
    workers = chance.choice(stand.servers).workers
    if workers:
        chance.choice(workers).kill()
    time.sleep(chance.uniform(0.2, 1.5))


def kill_all_servers(stand: Stand, chance: Random) -> None:
    for server in stand.servers:
        server.kill()
    _start(stand.servers)


def terminate_a_server(stand: Stand, chance: Random) -> None:
    server = chance.choice(stand.servers)
    code = server.terminate()
    if code != 0:
        stand.complaints.append(f"SIGTERM under load ended with {code}:\n{server.log[-3000:]}")
    server.start()


def kill_postgres_processes(stand: Stand, chance: Random) -> None:
    assert stand.postgres is not None
    stand.postgres.kill()
    time.sleep(chance.uniform(0, 1.5))
    stand.postgres.start()


def kill_a_backend(stand: Stand, chance: Random) -> None:
    assert stand.postgres is not None
    stand.postgres.kill_a_backend()
    time.sleep(chance.uniform(0.2, 0.5))


def stop_postgres_at_once(stand: Stand, chance: Random) -> None:
    assert stand.postgres is not None
    stand.postgres.stop(immediate=True)
    time.sleep(chance.uniform(0, 1.5))
    stand.postgres.start()


def stop_postgres_in_order(stand: Stand, chance: Random) -> None:
    assert stand.postgres is not None
    stand.postgres.stop(immediate=False)
    time.sleep(chance.uniform(0, 1.5))
    stand.postgres.start()


def kill_servers_and_postgres(stand: Stand, chance: Random) -> None:
    assert stand.postgres is not None
    for server in stand.servers:
        server.kill()
    stand.postgres.kill()
    stand.postgres.start()
    _start(stand.servers)


def cut_client_connections(stand: Stand, chance: Random) -> None:
    _cut_in_the_middle(chance.choice(stand.to_servers), chance)


def cut_postgres_connections(stand: Stand, chance: Random) -> None:
    assert stand.to_postgres is not None
    _cut_in_the_middle(stand.to_postgres, chance)


def freeze_client_connections(stand: Stand, chance: Random) -> None:
    proxy = chance.choice(stand.to_servers)
    proxy.freeze()
    time.sleep(chance.uniform(0.2, 1.5))
    if chance.random() < 0.5:
        proxy.cut()
    proxy.calm()


def freeze_postgres_connections(stand: Stand, chance: Random) -> None:
    assert stand.to_postgres is not None
    stand.to_postgres.freeze()
    time.sleep(chance.uniform(0.2, 1.0))
    if chance.random() < 0.5:
        # Commits among what was held back are known to nobody then, or never came.
        stand.to_postgres.cut()
    stand.to_postgres.calm()


def refuse_client_connections(stand: Stand, chance: Random) -> None:
    proxy = chance.choice(stand.to_servers)
    proxy.refuse()
    time.sleep(chance.uniform(0.2, 1.0))
    proxy.calm()


def refuse_postgres_connections(stand: Stand, chance: Random) -> None:
    assert stand.to_postgres is not None
    stand.to_postgres.refuse()
    time.sleep(chance.uniform(0.2, 1.0))
    stand.to_postgres.calm()


def fill_the_disk(stand: Stand, chance: Random) -> None:
    """A table that cannot grow, as Postgres reports it: error 53100 from the statement that needs room."""
    assert stand.postgres is not None
    table = chance.choice(_TABLES)
    _persistently(
        stand,
        f"""
        create or replace function refuse_to_grow() returns trigger language plpgsql as $$
        begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
        create or replace trigger full_disk before insert on {table}
        for each statement execute function refuse_to_grow()""",
    )
    time.sleep(chance.uniform(0.3, 1.5))
    _persistently(stand, f"drop trigger full_disk on {table}")


def fill_the_disk_for_real(stand: Stand, chance: Random) -> None:
    """Postgres may refuse what needs room, or end because its log has none."""
    assert stand.postgres is not None
    assert stand.disk is not None
    with filled(stand.disk):
        time.sleep(chance.uniform(0.5, 2))
    if not stand.postgres.is_running:
        stand.postgres.end()
        stand.postgres.start()


def kill_the_embedded_server(stand: Stand, chance: Random) -> None:
    """Its Postgres stays behind; the next server ends it and starts its own."""
    [server] = stand.servers
    server.kill()
    time.sleep(chance.uniform(0, 0.5))
    server.start()


def kill_the_embedded_server_and_its_postgres(stand: Stand, chance: Random) -> None:
    [server] = stand.servers
    if chance.random() < 0.5:
        kill_postgres(stand.data_dir)
        time.sleep(chance.uniform(0, 0.3))
        server.kill()
    else:
        server.kill()
        kill_postgres(stand.data_dir)
    server.start()


def kill_the_embedded_postgres(stand: Stand, chance: Random) -> None:
    """The server has to start it again by itself."""
    [server] = stand.servers
    kill_postgres(stand.data_dir)
    time.sleep(chance.uniform(0, 0.5))
    with reflexio.ReflexioClient(url_endpoint=server.target, timeout=5) as client:
        for _ in range(_RECOVERY_CALLS):
            try:
                client.get_interactions("nobody")
            except reflexio.UnavailableError:
                continue
            return
    stand.complaints.append("the server does not start its Postgres again that was killed")
    server.kill()
    server.start()


FAULTS: dict[str, Fault] = {
    "server killed (SIGKILL)": kill_a_server,
    "all servers killed (SIGKILL)": kill_all_servers,
    "server ended under load (SIGTERM)": terminate_a_server,
    "Postgres killed (SIGKILL)": kill_postgres_processes,
    "one Postgres process killed": kill_a_backend,
    "Postgres stopped (immediate)": stop_postgres_at_once,
    "Postgres stopped (fast)": stop_postgres_in_order,
    "servers and Postgres killed together": kill_servers_and_postgres,
    "client connections cut in a message": cut_client_connections,
    "Postgres connections cut in a message": cut_postgres_connections,
    "client connections frozen": freeze_client_connections,
    "Postgres connections frozen": freeze_postgres_connections,
    "client connections refused": refuse_client_connections,
    "Postgres connections refused": refuse_postgres_connections,
    "no room on Postgres's disk (error 53100)": fill_the_disk,
}
"""For servers that share a Postgres."""

WORKER_FAULTS: dict[str, Fault] = {"one worker of a server killed (SIGKILL)": kill_a_worker}
"""For servers of several workers."""

DISK_FAULTS: dict[str, Fault] = {"no room on Postgres's disk (a full disk)": fill_the_disk_for_real}
"""For a Postgres on a small disk."""

EMBEDDED_FAULTS: dict[str, Fault] = {
    "embedded: server killed (SIGKILL)": kill_the_embedded_server,
    "embedded: server ended under load (SIGTERM)": terminate_a_server,
    "embedded: server and Postgres killed": kill_the_embedded_server_and_its_postgres,
    "embedded: Postgres killed (SIGKILL)": kill_the_embedded_postgres,
    "embedded: client connections cut in a message": cut_client_connections,
}
"""For a server with a Postgres of its own."""


def _start(servers: Sequence[ServerProcess]) -> None:
    for server in servers:
        server.launch()
    for server in servers:
        server.wait_until_listening()


def _cut_in_the_middle(proxy: Proxy, chance: Random) -> None:
    cuts = proxy.cuts
    for _ in range(chance.randint(1, 5)):
        proxy.cut_after(chance.choice((0, 10, 100, 1_000, 10_000, 100_000)) + chance.randrange(1000))
        for _ in range(30):
            if proxy.cuts != cuts:
                break
            time.sleep(0.01)
        cuts = proxy.cuts
    proxy.calm()


def _persistently(stand: Stand, statement: str) -> None:
    assert stand.postgres is not None
    for attempt in range(50):
        try:
            stand.postgres.execute(stand.database, statement)
        except (asyncpg.PostgresError, OSError):
            if attempt == 49:
                raise
            time.sleep(0.1)
        else:
            return
