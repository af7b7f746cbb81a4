"""The benchmarks run, and their tables have every row. How fast is not looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hand_over
from benchmarks.report import COLUMNS
from benchmarks.workload import CALLERS, QUICK
from tests.effort import LONG, only_long

ROOT = Path(__file__).parents[2]

KINDS = [
    "publish, acknowledged",
    "publish, waited for",
    *(f"search {mode}, {size:,}" for size in QUICK.history_sizes for mode in ("vector", "fts", "hybrid")),
    f"search hybrid, {QUICK.history_sizes[-1]:,}, vector cached",
]


@pytest.mark.skipif(not LONG, reason="it loads the model and takes half a minute")
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


LIMITS = {
    "memory": ("## Memory: 40 users", "searches were compared with brute force over what Postgres had: 0 differed."),
    "large_user": ("## One user with 20,000 vectors", "| recall@10 against brute force | 1.0000 |"),
    "deletes": ("## Deleting a session of 500 interactions", "; 0 interactions were left."),
    "startup": ("## Start-up", "2,000 against 100:"),
}


@pytest.mark.parametrize(
    "part",
    [
        "memory",
        "large_user",
        *only_long("deletes", "startup"),
    ],
)
def test_a_quick_run_at_the_limits_measures_and_finds_nothing_wrong(part):
    command = [sys.executable, "-m", "benchmarks.limits", "--quick", part]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    for expected in LIMITS[part]:
        assert expected in run.stdout
    if part == "memory":
        lines = [_cells(line) for line in run.stdout.splitlines() if line.startswith("| 2 ")]
        assert all(float(index) <= 1.0 and int(evictions) > 0 for *_, index, _, _, evictions, _ in lines)
        assert len(lines) == 10


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
