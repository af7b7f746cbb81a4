"""An import whose server is killed in the middle: the client goes on, and nothing is lost or there twice."""

import subprocess
import sys
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
import reflexio
from reflexio import ImportOutcome

from tests.running import Postgres

PROGRAM = """
import asyncio, sys
from reflexio_server.app import Application
from reflexio_server.settings import Settings
from tests.fakes.embedder import FakeEmbedder

async def main():
    async with Application(Settings(port=int(sys.argv[1]), database_url=sys.argv[2]), FakeEmbedder()) as app:
        print(app.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class Server:
    """A server in a process of its own, which can be killed and comes back on its port."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self.port = 0
        self.start()

    def start(self) -> None:
        root = Path(__file__).parents[2]
        command = [sys.executable, "-c", PROGRAM, str(self.port), self._database_url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def killable(postgres: Postgres):
    server = Server(postgres.new_database())
    yield server
    server.kill()


def test_it_goes_on_and_can_be_repeated(killable: Server):
    ids, moment = count(1), "2026-03-01T09:30:00.000000001Z"
    records = [
        {
            "request_id": str(uuid4()),
            "user_id": f"user {n % 5}",
            "created_at": moment,
            "interactions": [
                {"interaction_id": next(ids), "content": f"number {n}", "created_at": moment} for _ in range(5)
            ],
        }
        for n in range(200)
    ]
    with reflexio.ReflexioClient(url_endpoint=f"http://127.0.0.1:{killable.port}") as client:
        results = []
        for result in client.import_data(records):
            results.append(result)
            if len(results) == 100:
                killable.kill()
                killable.start()
        assert [one.request_id for one in results] == [one["request_id"] for one in records]
        assert {one.outcome for one in results} <= {ImportOutcome.IMPORTED, ImportOutcome.ALREADY_THERE}
        again = list(client.import_data(records))
        assert {one.outcome for one in again} == {ImportOutcome.ALREADY_THERE}
        found = {
            one["request_id"]: [said["interaction_id"] for said in one["interactions"]] for one in client.export_data()
        }
        assert found == {one["request_id"]: [said["interaction_id"] for said in one["interactions"]] for one in records}
