"""Clients in child processes, while the parent's is in use."""

import os

import pytest

from tests.client.background.programs import run

SPAWN = """
import asyncio, multiprocessing, sys, reflexio

def sync(url):
    with reflexio.ReflexioClient(url_endpoint=url, timeout=10) as client:
        assert client.whoami().role == "admin"

async def awaited(url):
    async with reflexio.AsyncReflexioClient(url_endpoint=url, timeout=10) as client:
        assert (await client.whoami()).role == "admin"

def child(url):
    sync(url)
    asyncio.run(awaited(url))

if __name__ == "__main__":
    url = sys.argv[1]
    client = reflexio.ReflexioClient(url_endpoint=url)
    assert client.whoami().role == "admin"
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=child, args=(url,)) for _ in range(2)]
    for process in children:
        process.start()
    assert client.whoami().role == "admin"
    for process in children:
        process.join()
    assert [process.exitcode for process in children] == [0, 0]
    client.close()
"""


def test_spawned_children_have_clients_of_their_own(server_process, tmp_path):
    (tmp_path / "agents.py").write_text(SPAWN)
    program = (
        "import runpy, sys; sys.argv = [sys.argv[2], sys.argv[1]]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = run(program, server_process, str(tmp_path / "agents.py"))

    assert (done.returncode, done.stderr) == (0, "")


FORK = """
import os, sys, threading, warnings, reflexio
warnings.simplefilter("ignore", DeprecationWarning)
client = reflexio.ReflexioClient(url_endpoint=sys.argv[1], timeout=20)
client.whoami()
enough = threading.Event()
failed = []
def calls():
    while not enough.is_set():
        try: client.whoami()
        except Exception as error: failed.append(error)
threads = [threading.Thread(target=calls) for _ in range(4)]
[thread.start() for thread in threads]
for _ in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if client.whoami().role == "admin" else 7)
    assert os.waitpid(child, 0)[1] == 0
enough.set()
[thread.join() for thread in threads]
assert not failed, failed
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_in_the_middle_of_calls_fails_none_of_them(server_process):
    # gRPC itself may remark on standard error that it was busy.
    done = run(FORK, server_process)

    assert done.returncode == 0, done.stderr


FORK_IN_EXPORT = """
import os, sys, reflexio
client = reflexio.ReflexioClient(url_endpoint=sys.argv[1], timeout=20)
for n in range(3):
    client.publish_interaction("forked", [{"content": str(n)}])
records = client.export_data("forked")
next(records)
child = os.fork()
if child == 0:
    try:
        next(records)
        code = 1
    except reflexio.ClientClosedError:
        code = 0
    records.close()
    os._exit(code)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), len(list(records)))
"""


def test_a_child_is_told_that_its_parents_export_is_not_its_own(server):
    done = run(FORK_IN_EXPORT, server.url)

    assert (done.returncode, done.stdout.split()) == (0, ["0", "2"])
