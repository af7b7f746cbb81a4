"""The benchmarks run, and their tables have every row. How fast is not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import embedding, hand_over, sampled
from benchmarks.__main__ import PARTS, main
from benchmarks.document import NoSuchPlace, refresh
from benchmarks.recall import recall_at_10
from benchmarks.report import HEAD, MET, MISSED, NONE, Row, at_least, at_most
from benchmarks.workload import QUICK
from tests.effort import LONG, only_long
from tests.fakes.embedder import FakeEmbedder

ROOT = Path(__file__).parents[2]

CALLS = [
    "embed messages of all lengths: texts a second",
    "embed one query: p50",
    *(
        f"publish acknowledged, {callers}: {what}"
        for callers in ("1 caller", "8 callers")
        for what in ("calls a second", "p50", "slowest call, against the service's own p50")
    ),
    *(f"search hybrid, {size:,}, vector cached: p50" for size in QUICK.history_sizes),
    "search hybrid, 1,000, vector cached: 8 callers against 1, service",
    f"first search of {QUICK.cold_size:,}, whose partition is loaded: p50 of {QUICK.cold_histories} users",
    "list 1,000 requests of 2 interactions: p50, against SQL and serialisation",
    "delete a session of 1,000 requests of 2 interactions: p50, against SQL",
    "resident memory, for each of 1,000 cached interactions",
    *(f"{call}, {stored:,} stored: p50" for call in ("publish", "search") for stored in QUICK.stored[1:]),
    # Of the public product's table; the same name in two tables would hide one.
    "list 1,000 requests with their interactions: p50",
    "delete a session of 1,000 requests: p50",
]
"""Each must be there with a target and a verdict."""


@pytest.mark.skipif(not LONG, reason="it loads the model twice and takes a minute")
def test_a_quick_run_measures_every_kind_of_call_and_refreshes_documents_in_place(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ("README.md", "docs/performance.md"):
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    command = [sys.executable, "-m", "benchmarks", "--quick", "--into", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    figures, prose = _place(tmp_path / "docs/performance.md", "figures")
    assert figures == run.stdout.strip()
    assert prose == _place(ROOT / "docs/performance.md", "figures")[1]
    rows = [_cells(line) for line in figures.splitlines() if line.startswith("|")]
    verdicts = {call: verdict for call, *_, verdict in (row[:6] for row in rows)}
    assert {call: verdict for call, verdict in verdicts.items() if verdict in {MET, MISSED}}.keys() >= set(CALLS)
    for call, floor, service, ratio, *_ in (row for row in rows if row[5] in {MET, MISSED}):
        assert all(_number(cell) > 0 for cell in (floor, service, ratio)), call
    headlines, prose = _place(tmp_path / "README.md", "headlines")
    assert prose == _place(ROOT / "README.md", "headlines")[1]
    assert {row[0] for row in map(_cells, headlines.splitlines()[4:])} <= verdicts.keys()
    assert (tmp_path / "docs/performance.png").read_bytes().startswith(b"\x89PNG")


def _place(document, name):
    """What was measured, and what stands around it."""
    before, rest = document.read_text("utf-8").split(f"<!-- measured: {name} -->")
    figures, after = rest.split(f"<!-- end of {name} -->")
    return figures.strip(), before + after


def _number(cell):
    return float(cell.replace(",", "").removesuffix("/s").split()[0])


@pytest.mark.skipif(not LONG, reason="it loads the model and takes half a minute")
def test_a_quick_profile_finds_every_layer_that_a_call_passes():
    command = [sys.executable, "-m", "benchmarks.profile", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    lines = [_cells(line) for line in run.stdout.splitlines() if line.startswith("|")]
    assert {sampled.EVENT_LOOP, "asyncpg", "Postgres"} <= {line[0] for line in lines}
    assert all(float(value) > 0 for value in lines[-1][1:])


def test_documents_have_the_places_that_runs_fill():
    for document, name in (
        ("README.md", "headlines"),
        ("docs/performance.md", "figures"),
        ("docs/performance.md", "profile"),
    ):
        _place(ROOT / document, name)


def test_a_document_is_refreshed_between_its_marks_only(tmp_path):
    document = tmp_path / "a.md"
    document.write_text("before\n<!-- measured: x -->\nold\n<!-- end of x -->\nafter\n")
    for text in ("new", "newer"):
        refresh(document, "x", text)
    assert document.read_text() == "before\n<!-- measured: x -->\n\nnewer\n\n<!-- end of x -->\nafter\n"
    with pytest.raises(NoSuchPlace):
        refresh(document, "y", "new")


@pytest.mark.parametrize(
    ("target", "ratio", "verdict"),
    [
        (at_most(3), 3.004, MET),
        (at_most(3), 3.01, MISSED),
        (at_least(0.6), 0.6, MET),
        (at_least(0.6), 0.59, MISSED),
        (None, 9, NONE),
    ],
)
def test_a_row_says_whether_it_meets_its_target(target, ratio, verdict):
    cells = Row("call", "ms", 1, ratio, ratio, target).cells()
    assert len(cells) == len(HEAD)
    assert cells[HEAD.index("met")] == verdict


def test_parts_that_do_not_exist_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "nothing"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert "no such part: nothing" in told
    assert all(part in told for part in PARTS)


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
        *only_long("large_user", "deletes", "startup"),
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
