"""A worker whose supervisor is gone."""

import os
import subprocess
import sys
from pathlib import Path

from reflexio_server.processes.worker import orders
from reflexio_server.settings import Settings
from reflexio_server.store.location import location_of


def test_a_worker_that_cannot_start_and_has_nobody_to_tell_ends_without_a_stack_trace():
    url = "postgresql://nobody@127.0.0.1:1/none"
    settings = Settings(port=0, database_url=url)
    heard, said = os.pipe()
    os.close(heard)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "reflexio_server.processes.worker"],
            input=orders(settings, location_of(url, Path()), 1),
            stdout=said,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(said)
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
