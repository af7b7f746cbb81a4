"""The benchmarks run, and their tables have every row. How fast is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import embedding, hand_over
from benchmarks.recall import recall_at_10
from benchmarks.report import COLUMNS
from benchmarks.workload import CALLERS, QUICK
from tests.effort import LONG, only_long
from tests.fakes.embedder import FakeEmbedder

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


CONVERSATION = [("D1:1", "Ana", "I keep bees"), ("D1:2", "Ben", "a wet spring"), ("D1:3", "Ana", "my bees made honey")]
ASKED = [
    ("bees", ["D1:1", "D1:3"], 1),
    ("bees", ["D1:1", "D9:9"], 4),
    ("what nobody said", ["D9:9"], 5),
]


async def test_recall_is_the_share_of_the_evidence_that_was_found(tmp_path):
    said = [{"user_id": "u", "dia_id": turn, "speaker": who, "text": text} for turn, who, text in CONVERSATION]
    said += [{"user_id": "v", "dia_id": "D1:1", "speaker": "Cleo", "text": "bees"}]
    asked = [{"user_id": "u", "text": text, "gold": gold, "category": category} for text, gold, category in ASKED]
    for name, lines in (("interactions", said), ("queries", asked)):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    embedder = FakeEmbedder()

    async def documents(texts):
        return embedder.encode(texts)

    async def query(text):
        return embedder.encode([text])[0]

    assert await recall_at_10(tmp_path, documents, query) == pytest.approx((1 + 0.5) / 2)


@pytest.mark.skipif(not LONG, reason="it loads the model in both engines")
def test_a_quick_run_measures_the_embedding(tmp_path):
    file = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.embedding", "--quick", "--markdown", str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    header, _, *rows = [line for line in file.read_text("utf-8").splitlines() if line.startswith("|")]
    assert _cells(header) == list(embedding.COLUMNS)
    assert [_cells(row)[0] for row in rows] == [embedding.PLAIN, embedding.PYTORCH, embedding.ONNX_RUNTIME]
    assert all(float(row.split("|")[-2]) > 0.98 for row in rows)


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
