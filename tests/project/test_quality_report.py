"""What the search-quality report computes, on examples that were worked out by hand."""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.quality import report
from benchmarks.quality.asking import Answer, Asked
from benchmarks.quality.dataset import Conversation, Question, Turn, load
from benchmarks.quality.dates import filled, shift
from benchmarks.quality.metrics import Figures, figures, mean, ranks_of
from benchmarks.quality.thresholds import Scores, held_out
from tests.effort import LONG

ROOT = Path(__file__).parents[2]


def test_figures_of_one_question():
    assert figures(["a", "b", "c"], {"a"}) == Figures(1, 1, 1, 1, 1)
    assert figures(["x", "y"], {"a"}) == Figures(0, 0, 0, 0, 0)
    assert figures([], {"a"}) == Figures(0, 0, 0, 0, 0)
    # Of three, one is second and one is fourth: (1/log2 3 + 1/log2 5) / (1/log2 2 + 1/log2 3 + 1/log2 4).
    of = figures(["x", "a", "y", "b"], {"a", "b", "c"})
    assert (of.first, of.recall_at_1, of.mrr) == (0, 0, 0.5)
    assert of.recall_at_10 == pytest.approx(2 / 3)
    assert of.ndcg_at_10 == pytest.approx((0.63093 + 0.43068) / (1 + 0.63093 + 0.5), abs=1e-4)
    assert figures(["a", "x"], {"a", "b"}).recall_at_1 == 0.5


def test_only_the_first_ten_count():
    found = [str(rank) for rank in range(1, 13)]
    assert ranks_of(found, {"10", "11"}) == [10]
    of = figures(found, {"10", "11"})
    assert of.recall_at_10 == 0.5
    assert of.ndcg_at_10 == pytest.approx(1 / math.log2(11) / (1 + 1 / math.log2(3)))
    # With more evidence than fits, ten of it are ideal.
    assert figures(found, set(found)).ndcg_at_10 == pytest.approx(1)


def test_means():
    assert mean([Figures(1, 1, 1, 1, 1), Figures(0, 0, 0.5, 0.25, 0.5)]) == Figures(0.5, 0.5, 0.75, 0.625, 0.75)


def test_a_threshold_keeps_what_reaches_it():
    scores = Scores(evidence=[0.2, 0.5, 0.8, 0.9], nothing=[0.0, 0.3, 0.5, 0.6])
    assert (scores.false_positives(0.5), scores.false_negatives(0.5)) == (0.5, 0.25)
    assert scores.highest_that_loses(0) == 0.2
    assert scores.highest_that_loses(0.25) == 0.5
    # Above 0.6 nothing is wrongly shown and half of the answers are lost.
    assert scores.least_errors() == 0.61


def test_a_held_out_threshold_knows_nothing_of_the_user():
    one = Scores(evidence=[0.3], nothing=[0.1, 0.6])
    other = Scores(evidence=[0.6], nothing=[0.2])
    # One gets 0.6 of the other: it loses its answer and shows one of two. The other gets 0.3 and does all right.
    assert held_out([one, other], 0.0) == (1 / 3, 1 / 2)


def test_a_conversation_is_moved_by_whole_days():
    asked_at = datetime(2026, 6, 18, 15, tzinfo=UTC)
    assert shift(asked_at, datetime(2026, 11, 21, 0, 5, tzinfo=UTC)) == timedelta(days=156)
    assert shift(asked_at, datetime(2026, 6, 18, 23, 59, tzinfo=UTC)) == timedelta()
    assert shift(None, datetime(2026, 11, 21, tzinfo=UTC)) == timedelta()


def test_questions_name_days():
    times = {"s1:2": datetime(2026, 9, 7, 8, tzinfo=UTC)}
    asked = "{date s1:2} {english_date s1:2} {iso s1:2} {month s1:2} {weekday s1:2}"
    assert filled(asked, times) == "7 September September 7 2026-09-07 September Monday"
    with pytest.raises(KeyError):
        filled("{date s9:9}", times)


def test_what_is_published_is_what_the_set_has():
    asked_at = datetime(2026, 6, 18, 15, tzinfo=UTC)
    turn = Turn("s1:1", "s1", asked_at - timedelta(days=7), {"role": "Agent", "content": "Hello."})
    asked = Asked(Conversation("ana", [turn], [], asked_at), datetime(2026, 7, 1, 9, tzinfo=UTC))
    assert list(asked.publishes()) == [
        {
            "user_id": "ana",
            "session_id": "ana, session s1",
            "interactions": [
                {"role": "Agent", "content": "Hello.", "created_at": datetime(2026, 6, 24, 15, tzinfo=UTC)}
            ],
        }
    ]


def _answer(kind, evidence, found, scores):
    return Answer("ana", Question("q", kind, "?", frozenset(evidence)), "?", "hybrid", found, scores)


def test_the_best_score_of_the_evidence_decides():
    answers = [
        _answer("date", "ab", ["x", "b", "a"], [0.9, 0.7, 0.6]),
        _answer("date", "a", ["x"], [0.9]),
        _answer("nothing", "", ["x"], [0.4]),
        _answer("nothing", "", [], []),
    ]
    assert report.scores_of(answers) == Scores(evidence=[0.7], nothing=[0.4, 0.0])


def test_only_what_stands_between_the_markers_is_replaced():
    document = "# Title\n\n<!-- measured: begin -->\nold\n<!-- measured: end -->\n\nProse.\n"
    updated = report.update(document, "new\n")
    assert updated == "# Title\n\n<!-- measured: begin -->\n\nnew\n\n<!-- measured: end -->\n\nProse.\n"
    assert report.update(updated, "new") == updated
    assert report.update("", "new\n") == "new\n"


def _write(file, *rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def folder(tmp_path):
    """Conversations in the other layout."""
    said = {"user_id": "c1", "session": 1, "when": "2024-05-01T10:00:00Z"}
    _write(
        tmp_path / "interactions.jsonl",
        {**said, "dia_id": "D1:1", "speaker": "Ana", "text": "I adopted a grey kitten."},
        {**said, "dia_id": "D1:2", "speaker": "Ben", "text": "How nice!", "when": "2024-05-01T10:00:30Z"},
    )
    _write(
        tmp_path / "queries.jsonl",
        {"qid": "c1/q0", "user_id": "c1", "text": "Who adopted a kitten?", "gold": ["D1:1"], "category": 4},
        {"qid": "c1/q1", "user_id": "c1", "text": "Who said how nice it is?", "gold": ["D1:2"], "category": 5},
    )
    return tmp_path


def test_the_other_layout_is_read_by_category(folder):
    data_set = load(folder)
    (conversation,) = data_set.conversations
    assert [turn.interaction for turn in conversation.turns] == [
        {"role": "Ana", "content": "I adopted a grey kitten."},
        {"role": "Ben", "content": "How nice!"},
    ]
    assert [(question.kind, question.evidence) for question in conversation.questions] == [
        ("4", {"D1:1"}),
        ("5", {"D1:2"}),
    ]


def test_questions_about_people_who_do_not_speak_have_no_answer(folder):
    for speaker in ("Ana", "Cleo"):
        line = {"user_id": f"with {speaker}", "session": 1, "when": "2024-05-01T10:00:00Z", "dia_id": "D1:1"}
        with (folder / "interactions.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "speaker": speaker, "text": "I am off to Rome."}) + "\n")
        with (folder / "queries.jsonl").open("a", encoding="utf-8") as file:
            asked = {"user_id": f"with {speaker}", "text": f"Where is {speaker} going?", "gold": ["D1:1"]}
            file.write(json.dumps({**asked, "qid": speaker, "category": 1}) + "\n")
    without = {
        user.user_id: [question.text for question in user.questions if question.kind == "nothing"]
        for user in load(folder).conversations
    }
    assert without == {
        "c1": ["Where is Cleo going?"],
        "with Ana": ["Where is Cleo going?"],
        "with Cleo": ["Who adopted a kitten?", "Who said how nice it is?"],
    }


@pytest.mark.parametrize(
    ("gold", "complaint"), [(["D9:9"], "no turn is called D9:9"), ([], "with 0 turns as evidence")]
)
def test_contradictions_are_refused(folder, gold, complaint):
    with (folder / "queries.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"qid": "c1/q2", "user_id": "c1", "text": "?", "gold": gold, "category": 1}) + "\n")
    with pytest.raises(ValueError, match=complaint):
        load(folder)


@pytest.mark.skipif(not LONG, reason="it starts a server with the model")
def test_a_run_reports_every_mode(folder, tmp_path):
    file = tmp_path / "report.md"
    command = [sys.executable, "-m", "benchmarks.quality", "--data", str(folder), "--markdown", str(file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    written = file.read_text("utf-8")
    assert written.strip() == run.stdout.strip()
    for mode in ("hybrid", "vector", "fts"):
        assert f"**{mode}**" in written
    assert written.count("| 4 single-hop | 1 | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 |") == 3
