"""Agents and servers are killed at random moments: everything that was taken is stored, once, in order.

`make test-long ARGS=tests/client` makes a long run of it; the seed is printed.
"""

import random
import signal
import socket
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import reflexio

from tests.client.background.programs import begin
from tests.effort import LONG

ROUNDS = 25 if LONG else 1
SESSIONS = 3

SERVE = """
import asyncio, sys
from reflexio_server import logs
from reflexio_server.app import Application
from reflexio_server.settings import Settings
from tests.fakes.embedder import FakeEmbedder
logs.configure("error", "console")
async def main():
    async with Application(Settings(port=int(sys.argv[1]), database_url=sys.argv[2]), FakeEmbedder()):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""

# Each line is written in one piece: a kill leaves no half of one.
AGENT = """
import itertools, os, sys, reflexio
url, folder, life = sys.argv[1:]
background = reflexio.BackgroundPublisher(url_endpoint=url, spool_folder=folder)
for n in itertools.count():
    session = f"{life}-{n % 3}"
    if background.publish("u", [{"content": f"{session} {n}"}], session_id=session):
        os.write(1, f"{session} {n}\\n".encode())
    if n % 50 == 49:
        background.flush(0.2)
"""


def test_what_was_taken_is_stored_once_and_in_order_whoever_is_killed(postgres, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = (SERVE, str(port), postgres.new_database())
    url = f"http://127.0.0.1:{port}"
    taken = defaultdict(list)

    def agent(life, lines):
        with begin(AGENT, url, str(tmp_path), f"life{life}") as process:
            for number, line in enumerate(process.stdout):
                session, text = line.split()
                taken[session].append(f"{session} {text}")
                if number == lines:
                    process.kill()
            assert process.wait(20) == -signal.SIGKILL

    with ThreadPoolExecutor(1) as beside:
        for life in range(ROUNDS):
            # In some rounds the server is not there yet, in some it dies while the agent works.
            with begin(*serve) as server:
                if life != 0:
                    assert server.stdout.readline() == "ready\n"
                running = beside.submit(agent, life, chance.randrange(1, 300))
                if chance.random() < 0.5:
                    running.result()
                server.kill()
                server.wait(20)
                running.result()
    with begin(*serve) as server:
        assert server.stdout.readline() == "ready\n"
        with reflexio.BackgroundPublisher(url_endpoint=url, spool_folder=tmp_path) as successor:
            assert successor.flush(60)
            assert successor.counters.refused == 0
        with reflexio.ReflexioClient(url_endpoint=url) as client:
            found = client.get_interactions("u", top_k=100_000).interactions
        server.kill()

    stored = defaultdict(list)
    for interaction in sorted(found, key=lambda interaction: interaction.interaction_id):
        stored[interaction.session_id].append(interaction.content)
    assert taken
    for session, texts in taken.items():
        assert stored[session][: len(texts)] == texts
    for texts in stored.values():
        numbers = [int(text.split()[1]) for text in texts]
        assert numbers == list(range(numbers[0], numbers[0] + SESSIONS * len(numbers), SESSIONS))
    print(f"rounds {ROUNDS}, taken {sum(map(len, taken.values()))}, stored {len(found)}")
