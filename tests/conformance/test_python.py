"""The table with Python; `make test-clients` runs it with the other languages."""

import sys
from pathlib import Path

from tests.conformance.running import cases, run
from tests.conformance.serving import served
from tests.running import Postgres

_ROOT = Path(__file__).parents[2]


def test_python_runs_the_table(postgres: Postgres, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(_ROOT / "client" / "python")}
    with served(postgres, tmp_path, "python") as server:
        report = run([sys.executable, "-m", "conformance"], server, _ROOT, environment)
    assert report.failures == {}
    assert list(report.results) == [case["name"] for case in cases()]
    assert set(report.versions) == {"python", "grpc", "protobuf"}
