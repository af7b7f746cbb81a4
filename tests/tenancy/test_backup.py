"""A backup is whole, whoever makes it, and a server on what was restored from it answers every read alike."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from reflexio.v1 import access_service_pb2 as access
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests
from reflexio_server.store.roles import ROLE
from sqlalchemy import make_url

from tests.rpc import wire
from tests.running import Postgres, running_server
from tests.tenancy.calls import shown_by
from tests.tenancy.conftest import Behind, behind
from tests.tenancy.organisations import USER, Organisation, publish_under_key

_READS = {
    "ListInteractions": interactions.ListInteractionsRequest(user_id=USER, include_images=True),
    "ListAllInteractions": interactions.ListAllInteractionsRequest(page_size=1000, include_images=True),
    "ListRequests": requests.ListRequestsRequest(),
    "SearchInteractions": interactions.SearchInteractionsRequest(user_id=USER, query="the kettle", explain=True),
    "ExportData": data.ExportDataRequest(),
    "GetRetention": data.GetRetentionRequest(),
    "ListAccounts": access.ListAccountsRequest(),
    "ListApiKeys": access.ListApiKeysRequest(),
}

_BARRIER = """
    select tablename, policyname, cmd, qual, with_check from pg_policies where schemaname = 'public'
    union all
    select relname, 'forced', relrowsecurity::text, relforcerowsecurity::text, pg_get_userbyid(relowner)
    from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    order by 1, 2
"""

_MADE_BY = {
    # A superuser's is whole without more.
    "superuser": ("postgres", (), {}),
    # Whoever owns the tables is bound like the server, unless the backup says what it is for.
    "owner": (ROLE, ("--enable-row-security",), {"PGOPTIONS": "-c reflexio.purpose=backup"}),
}


def run(program: str, postgres: Postgres, user: str, *arguments: str, environment: Mapping[str, str]) -> str:
    """Run one of the embedded Postgres's own programs."""
    place = ("-h", str(postgres.superuser_url.query["host"]), "-U", user)
    done = subprocess.run(
        [str(postgres.programs / program), *place, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


async def reads_of(organisations: Iterable[Organisation], caller: wire.Caller) -> list[list[str]]:
    return [
        await shown_by(caller(method, request, metadata=own.tenant.bearer()))
        for own in organisations
        for method, request in _READS.items()
    ]


async def everything(truth: Behind) -> tuple[dict[str, int], list[tuple[object, ...]]]:
    """How many rows each table has, and how the barrier stands."""
    tables = [*await truth.tables(), "alembic_version", "embedding_models", "login_limits"]
    counts = {table: await truth.connection.fetchval(f"select count(*) from {table}") for table in tables}
    return counts, [tuple(row) for row in await truth.connection.fetch(_BARRIER)]


@pytest.mark.parametrize("maker", _MADE_BY)
async def test_what_is_restored_is_what_there_was(
    postgres: Postgres, truth: Behind, two: tuple[Organisation, Organisation], tmp_path: Path, maker: str
):
    source = str(truth.connection._params.database)
    user, flags, environment = _MADE_BY[maker]
    dump = str(tmp_path / "reflexio.dump")
    said = run("pg_dump", postgres, user, *flags, "-Fc", "-f", dump, source, environment=environment)
    assert said == ""
    url = postgres.new_database()
    target = str(make_url(url).database)
    run("pg_restore", postgres, ROLE, "--no-owner", "--exit-on-error", "-d", target, dump, environment={})
    async with behind(postgres, url) as restored:
        assert await everything(restored) == await everything(truth)
        counts, _ = await everything(restored)
        assert counts["interactions"] >= 12
    before = await reads_of(two, two[0].call_as)
    with running_server(url, auth="api-key") as server:
        caller = wire.Caller(server.target)
        assert await reads_of(two, caller) == before
        for own in two:
            # Its keys are known there, and so is what was published under them; new ids are new.
            again = await caller("PublishInteractions", publish_under_key(own), metadata=own.tenant.bearer())
            assert again.message == "stored before under this key: 2 interactions"
            fresh = publish_under_key(own)
            fresh.idempotency_key = "after the backup"
            stored = await caller("PublishInteractions", fresh, metadata=own.tenant.bearer())
            assert min(stored.result.interaction_ids) > max(again.result.interaction_ids)
        await caller.channel.close()


async def test_a_backup_that_would_lack_rows_is_refused(postgres: Postgres, truth: Behind, tmp_path: Path):
    """An owner who does not say what it is for learns so, instead of having an empty file."""
    source = str(truth.connection._params.database)
    with pytest.raises(AssertionError, match="row-level security"):
        run("pg_dump", postgres, ROLE, "-Fc", "-f", str(tmp_path / "dump"), source, environment={})
