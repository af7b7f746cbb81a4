"""What only a process of its own shows: start-up, signals, pipes, terminals, and missing packages."""

import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest
from reflexio_server import __version__

SCRIPT = [sys.executable, "-m", "reflexio_server"]
HEAVY = {
    "sqlalchemy",
    "asyncpg",
    "faiss",
    "numpy",
    "onnxruntime",
    "torch",
    "sentence_transformers",
    "pydantic_settings",
    "grpc_health",
}


def call(*arguments, **options):
    return subprocess.run([*SCRIPT, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)


def without(packages, *arguments):
    """Run the command line where some packages are not installed."""
    block = f"import sys; sys.modules.update(dict.fromkeys({sorted(packages)!r}))"
    program = f"{block}; sys.argv[0] = 'reflexio'; from reflexio_server.__main__ import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_version_is_told():
    result = call("--version")
    assert (result.returncode, result.stdout) == (0, f"reflexio {__version__}\n")


def test_help_lists_the_commands_whole():
    result = call("--help")
    assert result.returncode == 0
    for command in ("serve", "status", "publish", "search", "interactions", "sessions", "delete"):
        assert re.search(rf"^  {command} .*\.$", result.stdout, re.MULTILINE)
    assert not re.search(r"\w\.\.\.$", result.stdout + call("delete", "--help").stdout, re.MULTILINE), "nothing is cut"


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_packages_of_the_command_line_it_says_what_to_install(package):
    result = without({package}, "status")
    assert (result.returncode, result.stdout) == (2, "")
    [line] = result.stderr.splitlines()
    assert "needs more packages: pip install '.[cli]' in a checkout of Reflexio" in line


def test_client_commands_need_no_package_of_the_server(server, user_id):
    here = ["--url", server.url]
    assert without(HEAVY, "publish", "-u", user_id, "hello", *here).returncode == 0
    found = without(HEAVY, "search", user_id, "--json", *here)
    assert json.loads(found.stdout)["content"] == "hello"


def test_serve_without_the_servers_packages_says_what_to_install():
    result = without(HEAVY, "serve")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "reflexio serve needs more packages: pip install '.[server]' in a checkout of Reflexio"
    ]


def test_help_loads_neither_grpc_nor_the_server():
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reflexio_server", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in loaded.splitlines()}
    assert "typer" in packages
    assert not packages & (HEAVY | {"grpc", "google"})


def test_an_interrupted_command_ends_with_130_and_says_what_is_stored(server, user_id):
    process = subprocess.Popen(
        [*SCRIPT, "publish", "-u", user_id, "-", "--json", "--url", server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write('{"content": "a"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["success"]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stored before that: 1 publish with 1 interaction." in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_closed_pipe_is_silent(server, user_id, flags):
    lines = "".join(json.dumps({"content": "x" * 20_000}) + "\n" for _ in range(20))
    assert call("publish", "-u", user_id, "-", "--url", server.url, input=lines).returncode == 0
    command = [*SCRIPT, "interactions", user_id, *flags, "--url", server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_mistake_about_tls_is_told_without_the_log_of_grpc(server):
    result = call("status", "--url", server.url.replace("http:", "https:"))
    assert result.returncode == 1
    message, reason = result.stderr.splitlines()
    assert message.startswith("Error: could not reach https://127.0.0.1")
    assert "it does not speak TLS" in message
    assert reason == "  reason: UNAVAILABLE"


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("login a@example.com", "--password-stdin"),
        ("accounts create a@example.com", "--password-stdin"),
        ("admin create a@example.com", "--password-stdin"),
        ("delete all", "--yes"),
        ("delete user ana", "--yes"),
        ("retention set 90", "--yes"),
    ],
)
def test_where_nobody_can_be_asked_the_flag_is_told(server, command, remedy):
    # In a session of its own there is no terminal to open either.
    environment = os.environ | {"REFLEXIO_URL": server.url}
    result = call(*command.split(), env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    assert (result.returncode, result.stdout.strip()) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: there is nobody to ask; give ")
    assert remedy in result.stderr
    assert "Aborted" not in result.stderr


def test_a_named_pipe_is_published_each_time_anew(server, user_id, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for _ in range(2):
        command = [*SCRIPT, "publish", "-u", user_id, "-f", str(pipe), "--url", server.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            pipe.write_text('{"content": "yes"}\n')
            assert process.stdout.read() == "Stored 1 publish with 1 interaction.\n"
    assert len(call("interactions", user_id, "--json", "--url", server.url).stdout.splitlines()) == 2


def test_an_output_that_knows_only_ascii_gets_escapes(server, user_id):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "REFLEXIO_URL": server.url}
    assert call("publish", "-u", user_id, "Grüße 漢", env=environment).returncode == 0
    assert "Gr\\xfc\\xdfe \\u6f22" in call("interactions", user_id, env=environment).stdout
    machine = call("interactions", user_id, "--json", env=environment).stdout
    assert json.loads(machine)["content"] == "Grüße 漢"


def test_a_long_import_shows_a_progress_bar_on_a_terminal_only(server, user_id, tmp_path):
    file = tmp_path / "chat.jsonl"
    file.write_text("".join(json.dumps({"content": str(number)}) + "\n" for number in range(50)))
    command = [*SCRIPT, "publish", "-u", user_id, "-f", str(file), "--url", server.url]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # What Linux says when the other end of a terminal is closed.
            break
        shown += piece
    os.close(ours)
    assert process.communicate(timeout=60)[0] == "Stored 50 publishes with 50 interactions.\n"
    assert b"Publishing" in shown
    assert b"%" in shown
    assert call(*command[len(SCRIPT) :]).stderr == ""
