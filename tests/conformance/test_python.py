"""The table with Python; `make test-clients` runs it with the other languages."""

from pathlib import Path

from tests.conformance.languages import PYTHON
from tests.conformance.running import cases
from tests.conformance.serving import served
from tests.running import Postgres


def test_python_runs_the_table_and_notices_what_is_wrong(postgres: Postgres, tmp_path: Path) -> None:
    runner = PYTHON.prepare()
    with served(postgres, tmp_path, "python") as server:
        assert runner.unnoticed(server) == []
        report = runner.run(server)
    assert report.failures() == {}
    assert list(report.results) == [case["name"] for case in cases()]
    assert set(report.versions) == {"python", "grpc", "protobuf"}
