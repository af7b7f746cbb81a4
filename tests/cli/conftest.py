"""The command line in this process, against the shared server."""

from pathlib import Path

import pytest
from reflexio_server.cli import app
from typer.testing import CliRunner


@pytest.fixture
def run(server):
    """Run `reflexio` with arguments; its result has `exit_code`, `stdout` and `stderr`."""
    runner = CliRunner(env={"REFLEXIO_URL": server.url, "COLUMNS": None})

    def invoke(*arguments, stdin=None, **environment):
        result = runner.invoke(app, [str(argument) for argument in arguments], input=stdin, env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def write(tmp_path):
    """Make a file of text; returns its path."""

    def make(text: str, name: str = "chat.jsonl") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return make
