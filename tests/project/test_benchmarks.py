"""The benchmark runs, and its table has every row. How fast is not looked at."""

import subprocess
import sys
from pathlib import Path

from benchmarks import hand_over
from benchmarks.report import COLUMNS
from benchmarks.workload import CALLERS, QUICK

ROOT = Path(__file__).parents[2]

KINDS = [
    "publish, acknowledged",
    "publish, waited for",
    *(f"search {mode}, {size:,}" for size in QUICK.history_sizes for mode in ("vector", "fts", "hybrid")),
    f"search hybrid, {QUICK.history_sizes[-1]:,}, vector cached",
]


def test_a_quick_run_measures_every_kind_of_call(tmp_path):
    file = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--markdown", str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    written = file.read_text("utf-8")
    assert written.strip() == run.stdout.strip()
    header, _, *rows = [line for line in written.splitlines() if line.startswith("|")]
    assert _cells(header) == list(COLUMNS)
    found = [_cells(row) for row in rows]
    assert [(kind, int(callers)) for kind, callers, *_ in found] == [(kind, n) for kind in KINDS for n in CALLERS]
    for _, _, *figures in found:
        assert len(figures) == len(COLUMNS) - 2
        assert all(float(figure.replace(",", "")) > 0 for figure in figures)


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_quick_run_measures_the_hand_over(tmp_path, server):
    file = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.hand_over", "--quick", "--url", server.url, "--markdown", str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    header, _, *rows = [line for line in file.read_text("utf-8").splitlines() if line.startswith("|")]
    assert _cells(header) == list(hand_over.COLUMNS)
    assert [_cells(row)[0] for row in rows] == [
        hand_over.THERE,
        hand_over.AWAY,
        hand_over.BARE,
        hand_over.ACKNOWLEDGED,
    ]
    assert all(float(figure.replace(",", "")) > 0 for row in rows for figure in _cells(row)[1:])
