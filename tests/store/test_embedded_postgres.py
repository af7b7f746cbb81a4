"""The embedded Postgres: keeps its data, belongs to one server at a time, and survives what killed servers leave."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
import pytest
from reflexio_server.store.embedded_postgres import DataFolderInUse, EmbeddedPostgres, EmbeddedPostgresFailed
from sqlalchemy import make_url


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was used once, to be copied: making one takes longer."""
    folder = tmp_path_factory.mktemp("cluster")
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    postgres.stop()
    return folder


@pytest.fixture
def data_dir(cluster: Path) -> Iterator[Path]:
    """A data folder of one's own, in which no Postgres is left running afterwards."""
    # Beside the other: as root, Postgres runs as another user, for whom making the cluster opened the way there.
    copied = cluster.with_name(f"data-{uuid4()}")
    subprocess.run(["cp", "--archive", cluster, copied], check=True)
    yield copied
    for process in postmasters(copied):
        process.kill()
        process.wait()


def postmasters(data_dir: Path) -> list[psutil.Process]:
    """The Postgres servers that run in a data folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "-D" in (line := process.info["cmdline"] or [])
        and str(data_dir / "postgres") in line
        and process.status() != psutil.STATUS_ZOMBIE
    ]


async def run(url: str, statement: str) -> list:
    connection = await asyncpg.connect(host=make_url(url).query["host"], user="postgres", database="postgres")
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def write(url: str) -> None:
    await run(url, "create table notes as select 'kept' as note")


async def read(url: str) -> str:
    return (await run(url, "select note from notes"))[0]["note"]


async def test_data_stay_over_a_restart(data_dir: Path):
    postgres = EmbeddedPostgres(data_dir)
    await write(postgres.start())
    postgres.stop()
    assert postmasters(data_dir) == []
    assert await read(postgres.start()) == "kept"
    postgres.stop()


async def test_a_folder_that_does_not_exist_is_made_and_is_nobody_elses_business(tmp_path: Path):
    postgres = EmbeddedPostgres(tmp_path / "deep" / "data")
    try:
        assert await run(postgres.start(), "select 1")
        assert postgres.log_file.exists()
        assert (postgres.data_dir / "postgres").stat().st_mode & 0o077 == 0
    finally:
        postgres.stop()


async def test_only_one_server_may_use_a_folder(data_dir: Path):
    first = EmbeddedPostgres(data_dir)
    url = first.start()
    with pytest.raises(DataFolderInUse, match=str(data_dir)):
        EmbeddedPostgres(data_dir).start()
    assert await run(url, "select 1"), "the first goes on"
    first.stop()
    second = EmbeddedPostgres(data_dir)
    assert await run(second.start(), "select 1")
    second.stop()


_SERVER = """
import sys
from pathlib import Path
from reflexio_server.store.embedded_postgres import EmbeddedPostgres
print(EmbeddedPostgres(Path(sys.argv[1])).start(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed_server(data_dir: Path) -> Callable[[], str]:
    """Starts Postgres in another process and kills that process. Returns the URL of what it left."""

    def start_and_kill() -> str:
        command = [sys.executable, "-c", _SERVER, str(data_dir)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            url = process.stdout.readline().strip()
            process.kill()
        return url

    return start_and_kill


async def test_a_postgres_that_a_killed_server_left_is_ended(data_dir: Path, killed_server: Callable[[], str]):
    await write(killed_server())
    [leftover] = postmasters(data_dir)
    postgres = EmbeddedPostgres(data_dir)
    assert await read(postgres.start()) == "kept"
    assert [process.pid for process in postmasters(data_dir)] != [leftover.pid]
    assert not leftover.is_running() or leftover.status() == psutil.STATUS_ZOMBIE
    postgres.stop()


def kill(data_dir: Path, *, children_too: bool) -> None:
    """Kill Postgres, and wait until its children have noticed."""
    [process] = postmasters(data_dir)
    children = process.children(recursive=True)
    for one in [process, *children] if children_too else [process]:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs([process, *children])


async def test_a_postgres_that_was_killed_too_recovers(data_dir: Path):
    postgres = EmbeddedPostgres(data_dir)
    await write(postgres.start())
    kill(data_dir, children_too=False)
    postgres.stop()
    again = EmbeddedPostgres(data_dir)
    assert await read(again.start()) == "kept"
    again.stop()


@pytest.mark.parametrize("children_too", [False, True], ids=["postmaster", "all"])
async def test_a_postgres_that_was_killed_is_started_again_under_its_url(data_dir: Path, children_too: bool):
    postgres = EmbeddedPostgres(data_dir)
    url = postgres.start()
    await write(url)
    assert not postgres.restart_if_dead()
    kill(data_dir, children_too=children_too)
    assert postgres.restart_if_dead()
    assert await read(url) == "kept"
    with pytest.raises(DataFolderInUse):
        EmbeddedPostgres(data_dir).start()
    postgres.stop()
    assert not postgres.restart_if_dead(), "it was stopped on purpose"
    assert postmasters(data_dir) == []


async def test_what_a_killed_postgres_left_behind_is_ended_before_it_is_started_again(data_dir: Path):
    postgres = EmbeddedPostgres(data_dir)
    url = postgres.start()
    await write(url)
    connection = await asyncpg.connect(host=make_url(url).query["host"], user="postgres", database="postgres")
    backend = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
    backend.suspend()  # So that it cannot notice that its Postgres is gone.
    [process] = postmasters(data_dir)
    process.kill()
    psutil.wait_procs([process])
    assert postgres.restart_if_dead()
    assert not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE
    assert await read(url) == "kept"
    connection.terminate()
    postgres.stop()


async def test_a_postgres_without_its_folder_cannot_be_started_until_the_folder_is_back(data_dir: Path):
    postgres = EmbeddedPostgres(data_dir)
    url = postgres.start()
    await write(url)
    kill(data_dir, children_too=False)
    aside = data_dir / "aside"
    shutil.move(data_dir / "postgres", aside)
    for _ in range(2):
        with pytest.raises(EmbeddedPostgresFailed, match="folder is gone"):
            postgres.restart_if_dead()
    assert not (data_dir / "postgres").exists(), "an empty one would hide that the data are gone"
    shutil.move(aside, data_dir / "postgres")
    assert postgres.restart_if_dead()
    assert await read(url) == "kept"
    postgres.stop()


async def test_there_are_as_many_connections_as_will_be_needed(data_dir: Path):
    postgres = EmbeddedPostgres(data_dir, connections=123)
    [row] = await run(postgres.start(), "show max_connections")
    assert row["max_connections"] == "123"
    postgres.stop()


@pytest.mark.parametrize("pid", ["ours", "1", "-1", "999999999", "", "no number"])
async def test_a_stale_pid_file_is_no_obstacle(data_dir: Path, pid: str):
    text = str(os.getpid()) if pid == "ours" else pid
    lines = [text, str(data_dir / "postgres"), "1700000000", "5432", "", "", "0 0", "ready"]
    (data_dir / "postgres" / "postmaster.pid").write_text("\n".join(lines) if pid else "")
    postgres = EmbeddedPostgres(data_dir)
    assert await run(postgres.start(), "select 1")
    postgres.stop()


def test_a_half_made_cluster_is_made_anew(tmp_path: Path):
    for name in ("postgres", "postgres.unfinished/base"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "postgres.unfinished" / "PG_VERSION").write_text("18\n")
    postgres = EmbeddedPostgres(tmp_path)
    postgres.start()
    postgres.stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "postgres"]


def test_a_cluster_that_does_not_start_says_why_and_leaves_the_folder_free(data_dir: Path):
    control = data_dir / "postgres" / "global" / "pg_control"
    aside = data_dir / "aside"
    shutil.move(control, aside)
    with pytest.raises(EmbeddedPostgresFailed, match="pg_control"):
        EmbeddedPostgres(data_dir).start()
    shutil.move(aside, control)
    postgres = EmbeddedPostgres(data_dir)
    postgres.start()
    postgres.stop()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedPostgresFailed, match=r"cannot use the data folder .*/file/data: Not a directory"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()
    with pytest.raises(EmbeddedPostgresFailed, match=r"cannot use the data folder .*/file: it is a file, not a folder"):
        EmbeddedPostgres(tmp_path / "file").start()
