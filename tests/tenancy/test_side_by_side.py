"""A server of the version before the barrier, from git's history, beside one of this version: `make test-upgrade`."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import reflexio
from sqlalchemy import make_url

from tests.effort import LONG
from tests.embed.eventually import eventually
from tests.end_to_end.stand.server_process import ROOT, ServerProcess
from tests.running import Postgres
from tests.tenancy.conftest import behind

_MIGRATION = "server/reflexio_server/store/migrations/versions/0009_barrier.py"
_ADDED = ("log", "--diff-filter=A", "--format=%H", "-1", "--", _MIGRATION)
_CALLS = 20


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The version before, as git has it."""
    added = _git(*_ADDED).decode().strip()
    archive = _git("archive", f"{added}^", "server", "client/python", "tests") if added else b""
    if not archive:
        pytest.skip("NOT TESTED: git's history does not reach back to the version before the barrier")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "before", filter="data")
    return tmp_path / "before"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database of a user who is no superuser, for both."""
    return make_url(postgres.new_database()).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def servers(tmp_path: Path, before: Path, url: str) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    made = [
        ServerProcess(tmp_path, name, "--database-url", url, tree=tree)
        for name, tree in (("older", before), ("newer", ROOT))
    ]
    yield made[0], made[1]
    for server in made:
        server.end()


def ids_of(client: reflexio.ReflexioClient) -> list[int]:
    return [i.interaction_id for i in client.get_interactions("ann", top_k=100).interactions]


@pytest.mark.skipif(not LONG, reason="NOT TESTED: make test-upgrade runs it")
async def test_both_answer_alike_until_the_older_one_is_gone(
    servers: tuple[ServerProcess, ServerProcess], postgres: Postgres, url: str
):
    older, newer = servers
    older.start()
    clients = [reflexio.ReflexioClient(url_endpoint=f"http://{server.target}") for server in servers]
    clients[0].publish_interaction("ann", [{"content": "from before"}], wait_for_response=True)
    newer.start()
    for number in range(_CALLS):
        writer, reader = clients[number % 2], clients[1 - number % 2]
        said, key = f"number {number} about the kettle", f"key {number}"
        first = writer.publish_interaction(
            "ann", [{"content": said}], session_id=f"s{number}", idempotency_key=key, wait_for_response=True
        )
        again = reader.publish_interaction(
            "ann", [{"content": said}], session_id=f"s{number}", idempotency_key=key, wait_for_response=True
        )
        assert first.request_id == again.request_id
        for client in clients:
            found = client.search_interactions(user_id="ann", query=said, top_k=3).interactions
            assert said in [hit.content for hit in found]
        if number % 4 == 3:
            assert reader.delete_session(f"s{number}", wait_for_response=True).deleted_requests_count == 1
        lists = [ids_of(client) for client in clients]
        assert lists[0] == lists[1]
    assert len(lists[0]) == 1 + _CALLS - _CALLS // 4
    assert older.terminate() == 0
    async with behind(postgres, url) as truth:

        async def closed() -> bool:
            query = "select exists (select from pg_policies where policyname = 'unmarked')"
            return not await truth.connection.fetchval(query)

        newer.terminate()
        newer.start()  # It looks once a minute, and at its start.
        await eventually(closed)
    assert ids_of(clients[1]) == lists[0]
    older.launch()
    assert older.process.wait(timeout=60) != 0, "it cannot come back"
    for client in clients:
        client.close()
