"""What does not get into the log, whoever writes it. In processes of their own: pytest has handlers of its own."""

import json
import subprocess
import sys

import pytest

SAID = "I moved to Lisbon"
URL = "postgresql+asyncpg://reflexio:hunter2@db.internal:5432/memory"
KEY = "rflx-" + "a1B2" * 10

BEGINNING = """
import logging, sys, asyncpg, structlog
from reflexio_server import logs
logs.configure("debug", sys.argv[1])
ours, others = structlog.get_logger("reflexio.test"), logging.getLogger("a.library")
"""

REFUSED_ROW = f"""
try:
    try:
        error = asyncpg.NotNullViolationError("null value in column")
        error.detail = "Failing row contains (1, {SAID},\\n more of it)."
        raise error
    except asyncpg.PostgresError as error:
        raise RuntimeError("could not store") from error
except RuntimeError:
    ours.exception("unhandled error")
    others.exception("a line of a library")
"""

SECRETS = f"""
ours.warning("cannot connect", cause="ConnectionError('{URL}')", key="{KEY}")
others.warning("retrying %s with %s", "{URL}", "{KEY}")
"""


def written(log_format: str, program: str) -> str:
    command = [sys.executable, "-c", BEGINNING + program, log_format]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stderr


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_row_that_postgres_refused_is_left_out_of_a_traceback(log_format):
    text = written(log_format, REFUSED_ROW)
    assert SAID not in text
    assert "more of it" not in text
    assert text.count("null value in column") == 2, "what went wrong is said"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_passwords_and_keys_are_left_out_of_every_line(log_format):
    text = written(log_format, SECRETS)
    assert "hunter2" not in text
    assert KEY[5:] not in text
    assert text.count("db.internal:5432/memory") == 2, "where it went is said"


def test_a_line_outside_of_calls_has_no_facts_of_one():
    line = written("json", "ours.info('hello')")
    assert json.loads(line).keys() == {"event", "logger", "level", "timestamp"}
