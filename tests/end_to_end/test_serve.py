"""`reflexio serve` as a process, with the real model and a Postgres of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from sqlalchemy import make_url

SCRIPT = [sys.executable, "-m", "reflexio_server"]
WITHOUT_MODEL = [sys.executable, "-m", "tests.end_to_end.stand.serve"]
"""The same with a deterministic embedder: the real one takes seconds of two cores to start."""


class Serve:
    """A running `reflexio serve`."""

    def __init__(self, data_dir, *flags, script=SCRIPT, **environment):
        self._log = data_dir.parent / f"{data_dir.name}.log"
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [*script, "serve", "--port", "0", "--data-dir", str(data_dir), *flags],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | environment,
            )

    def wait_until_listening(self):
        """The URL that it says it listens on."""
        line = self.process.stdout.readline()
        assert re.fullmatch(r"listening on 127\.0\.0\.1:\d+\n", line), self.log
        return "http://" + line.split()[-1]

    def end(self, number=signal.SIGTERM):
        """Send a signal. Returns the exit code and what else it wrote on standard output."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        return self.process.returncode, rest

    @property
    def log(self):
        return self._log.read_text()


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(*flags, name="data", script=WITHOUT_MODEL, **environment):
        started.append(Serve(tmp_path / name, *flags, script=script, **environment))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end()


def call(url, *arguments):
    result = subprocess.run(
        [*SCRIPT, *arguments, "--url", url], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("number", "script"), [(signal.SIGTERM, SCRIPT), (signal.SIGINT, WITHOUT_MODEL)], ids=["TERM, real model", "INT"]
)
def test_what_was_published_is_there_after_a_signal_and_a_new_start(serve, tmp_path, number, script):
    first = serve(script=script)
    url = first.wait_until_listening()
    call(url, "publish", "-u", "ann", "The parcel arrives on Tuesday", "--wait")
    assert first.end(number) == (0, "")
    assert str(tmp_path / "data") in first.log
    assert "Traceback" not in first.log
    second = serve(script=script)
    url = second.wait_until_listening()
    [line] = call(
        url, "search", "ann", "when will the package be delivered?", "--mode", "vector", "--json"
    ).splitlines()
    assert json.loads(line)["content"] == "The parcel arrives on Tuesday"
    assert json.loads(call(url, "status", "--json"))["storage_label"] == str(tmp_path / "data")
    assert second.end() == (0, "")


def test_a_signal_during_the_start_ends_it_and_its_postgres(serve, tmp_path):
    server = serve()
    while "starting the embedded Postgres" not in server.log:
        assert server.process.poll() is None, server.log
    assert server.end() == (0, "")
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()


def refused(*arguments, script=SCRIPT, **environment):
    """Run `reflexio serve` where it cannot start. Returns the exit code and the last line of standard error."""
    result = subprocess.run(
        [*script, "serve", "--log-level", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = refused("--port", str(port), "--data-dir", str(tmp_path))
    assert code == 1
    assert f"Error: cannot listen on 127.0.0.1:{port}" in errors
    assert "the port is taken" in errors
    assert len(errors.splitlines()) == 1


def test_a_data_folder_in_use_is_one_clear_line(serve, tmp_path):
    server = serve()
    server.wait_until_listening()
    code, errors = refused("--port", "0", "--data-dir", str(tmp_path / "data"), script=WITHOUT_MODEL)
    assert code == 1
    assert str(tmp_path / "data") in errors
    assert "--data-dir" in errors
    assert len(errors.splitlines()) == 1


def test_a_database_that_is_not_there_is_one_clear_line_without_the_password(tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        url = f"postgresql://me:secret@127.0.0.1:{port}/memories"
        code, errors = refused("--port", "0", script=WITHOUT_MODEL, REFLEXIO_DATABASE_URL=url)
    assert code == 1
    assert "cannot reach the database 127.0.0.1" in errors
    assert "secret" not in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_user_whom_postgres_refuses_is_told_as_a_wrong_setting(postgres, workers):
    url = make_url(postgres.new_database()).set(username="nobody").render_as_string(hide_password=False)
    code, errors = refused("--port", "0", "--workers", workers, script=WITHOUT_MODEL, REFLEXIO_DATABASE_URL=url)
    assert code == 2
    assert 'Invalid value for --database-url: Postgres refuses the connection: role "nobody" does not exist' in errors


@pytest.mark.parametrize(
    ("flags", "environment", "complaint"),
    [
        (["--port", "99999"], {}, "--port: must be an integer, 0 to 65535\n"),
        (["--data-dir", ""], {}, "--data-dir: must not be empty\n"),
        (["--log-level", "loud"], {}, "--log-level: must be one of debug, info, warning, error\n"),
        (["--text-search-config", "A"], {}, "--text-search-config: must have small letters and underscores only\n"),
        ([], {"REFLEXIO_PORT": "x"}, "--port (environment variable REFLEXIO_PORT): must be an integer"),
        ([], {"REFLEXIO_REFLECTION": "perhaps"}, "'REFLEXIO_REFLECTION'): must be on or off\n"),
        (["--database-url", "mysql://me:secret@host/db"], {}, "--database-url"),
        (["--database-url", "postgresql://me:secret@host:99999/db"], {}, "--database-url: a port must be"),
        (["--database-url", "postgresql://me:secret@host/db?foo=1"], {}, "--database-url: the database URL must not"),
        (["--no-such-flag"], {}, "--no-such-flag"),
    ],
)
def test_a_wrong_setting_names_its_flag_and_ends_with_2(flags, environment, complaint):
    code, errors = refused(*flags, **environment)
    assert code == 2
    assert complaint in errors
    assert "secret" not in errors


def test_a_flag_precedes_its_variable(serve):
    server = serve("--host", "localhost", REFLEXIO_HOST="256.256.256.256")
    line = server.process.stdout.readline()
    assert line.startswith("listening on localhost:"), server.log
