"""Ranking: one score for each candidate, made of parts that mean the same for every question."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reflexio_server.index.evidence import Evidence
from reflexio_server.search.dates import Span
from reflexio_server.search.ranking import WEIGHTS, Parts, SearchMode, ranked

from tests.search.flows import MODES

HYBRID, VECTOR, FTS = SearchMode.HYBRID, SearchMode.VECTOR, SearchMode.FTS
DAY = 24 * 3600 * 10**9


def evidence(*candidates: dict) -> Evidence:
    """Candidates of ids 1, 2, 3…, each given by what it has."""

    def column(name, default, dtype):
        return np.array([candidate.get(name, default) for candidate in candidates], dtype)

    return Evidence(
        np.arange(1, len(candidates) + 1, dtype=np.int64),
        column("at", 0, np.int64),
        column("words", 0, np.float32),
        column("similarity", 0, np.float32),
        column("own", 0, np.float32),
        column("of_role", False, np.bool_),
        column("asks", False, np.bool_),
    )


def rank(*candidates, mode=HYBRID, spans=(), asks_for_role=False, limit=100, min_score=0.0):
    return ranked(evidence(*candidates), mode, spans, asks_for_role=asks_for_role, limit=limit, min_score=min_score)


def ids(found):
    return [hit.interaction_id for hit in found]


def test_nothing_is_ranked_as_nothing():
    for mode in MODES:
        assert ranked(Evidence.none(), mode, [Span(0, DAY)], asks_for_role=True, limit=10, min_score=0) == []


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_what_has_everything_reaches_one_and_what_has_nothing_zero(mode: SearchMode):
    everything = {"words": 1, "similarity": 1, "of_role": True, "at": 5}
    for spans in ([], [Span(0, 10)]):
        for asks_for_role in (False, True):
            candidate = everything | {"of_role": asks_for_role}
            [best, worst] = rank(candidate, {"at": 50 * DAY}, mode=mode, spans=spans, asks_for_role=asks_for_role)
            assert (best.interaction_id, best.score) == (1, 1)
            assert (worst.interaction_id, worst.score, astuple(worst.parts)) == (2, 0, (0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "words", "meaning"), [(HYBRID, True, True), (VECTOR, False, True), (FTS, True, False)], ids=str
)
def test_modes_use_what_they_say(mode: SearchMode, words: bool, meaning: bool):
    [hit] = rank({"words": 0.5, "similarity": 0.5}, mode=mode)
    assert (hit.parts.words > 0, hit.parts.meaning > 0) == (words, meaning)


def test_parts_are_the_weighted_shares_of_what_was_asked_for():
    weights = WEIGHTS[HYBRID]
    candidate = {"words": 0.5, "similarity": 0.25, "of_role": True, "at": 3}
    [hit] = rank(candidate, asks_for_role=True, spans=[Span(0, 10)])
    assert astuple(hit.parts) == pytest.approx(
        (
            0.5 * weights.words / weights.total,
            0.25 * weights.meaning / weights.total,
            weights.role / weights.total,
            weights.time / weights.total,
            weights.statement / weights.total,
        )
    )
    assert hit.score == pytest.approx(hit.parts.total, abs=1e-6)


def test_role_and_time_count_only_where_they_are_asked_for():
    candidate = {"words": 0.5, "similarity": 0.5}
    [plain] = rank(candidate)
    [role] = rank(candidate, asks_for_role=True)
    [time] = rank(candidate, spans=[Span(DAY * 100, DAY * 102)])
    assert role.score < plain.score
    assert time.score < plain.score, "what was asked for and is not there costs"
    assert (plain.parts.role, plain.parts.time, role.parts.role, time.parts.time) == (0, 0, 0, 0)


def test_who_is_asked_about_comes_first_and_so_does_what_was_said_then():
    equal = {"words": 0.5, "similarity": 0.5, "at": 1}
    assert ids(rank(equal, equal | {"of_role": True}, equal, asks_for_role=True)) == [2, 3, 1]
    then = Span(500 * DAY, 502 * DAY)
    assert ids(rank(equal, equal | {"at": 501 * DAY}, equal | {"at": 502 * DAY}, spans=[then])) == [2, 3, 1]


def test_of_several_days_the_best_counts_once():
    near, far = Span(10 * DAY, 11 * DAY), Span(300 * DAY, 301 * DAY)
    candidate = {"words": 0.5, "at": 12 * DAY}
    [one] = rank(candidate, spans=[near])
    [both] = rank(candidate, spans=[far, near, near])
    assert one.parts.time == pytest.approx(WEIGHTS[HYBRID].time / (WEIGHTS[HYBRID].total - WEIGHTS[HYBRID].role) / 2)
    assert both == one


def test_a_question_mark_costs_what_a_statement_gets():
    for mode in MODES:
        [first, second] = rank(
            {"words": 0.5, "similarity": 0.5, "asks": True}, {"words": 0.5, "similarity": 0.5}, mode=mode
        )
        assert first.score - second.score == pytest.approx(first.parts.statement, abs=2e-6)
        assert second.parts.statement == 0
        assert (first.interaction_id, first.parts.statement > 0) == (2, WEIGHTS[mode].statement > 0)


def test_what_has_nothing_of_the_question_gets_nothing_for_being_a_statement():
    [hit] = rank({"similarity": -0.5})
    assert hit.parts == Parts(0, 0, 0, 0, 0)
    [hit] = rank({"similarity": 0.9}, mode=FTS)
    assert hit.score == 0


def test_scores_that_differ_by_rounding_only_are_equal_and_then_the_newer_comes_first():
    found = rank(
        {"words": 0.5, "at": 2}, {"words": 0.5000001, "at": 1}, {"words": 0.5, "at": 3}, {"words": 0.5, "at": 3}
    )
    assert ids(found) == [4, 3, 1, 2]
    assert len({hit.score for hit in found}) == 1


def test_the_limit_keeps_the_best_and_min_score_only_what_reaches_it():
    candidates = [{"words": n / 10} for n in range(10)]
    assert ids(rank(*candidates, limit=3)) == [10, 9, 8]
    all_of = rank(*candidates)
    assert ids(rank(*candidates, min_score=all_of[4].score)) == ids(all_of[:5])
    assert ids(rank(*candidates, limit=2, min_score=all_of[4].score)) == ids(all_of[:2])
    assert rank(*candidates, min_score=1.0) == []


spans = st.tuples(st.integers(-(2**62), 2**62), st.integers(1, 400 * DAY)).map(lambda s: Span(s[0], s[0] + s[1]))
candidates = st.fixed_dictionaries(
    {
        "words": st.floats(0, 1, width=32),
        "similarity": st.floats(-1, 1, width=32),
        "at": st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2),
        "of_role": st.booleans(),
        "asks": st.booleans(),
    }
)


@settings(max_examples=70)
@given(
    st.lists(candidates, max_size=12),
    st.sampled_from(MODES),
    st.lists(spans, max_size=3),
    st.booleans(),
    st.integers(1, 12),
    st.floats(0, 1),
)
def test_of_anything_scores_are_in_bounds_and_in_order(given_, mode, spans, asks_for_role, limit, min_score):
    given_ = [candidate | {"of_role": candidate["of_role"] and asks_for_role} for candidate in given_]
    everything = rank(*given_, mode=mode, spans=spans, asks_for_role=asks_for_role)
    assert sorted(ids(everything)) == list(range(1, len(given_) + 1))
    for hit in everything:
        assert 0 <= hit.score <= 1
        assert hit.parts.total == pytest.approx(hit.score, abs=1e-6)
        assert min(astuple(hit.parts)) >= 0
    keys = []
    for hit in everything:
        candidate = given_[hit.interaction_id - 1]
        unlike = 0 if mode is SearchMode.FTS else round(min(candidate["similarity"], 0), 6)
        keys.append((hit.score, unlike, candidate["at"], hit.interaction_id))
    assert keys == sorted(keys, reverse=True)
    found = rank(*given_, mode=mode, spans=spans, asks_for_role=asks_for_role, limit=limit, min_score=min_score)
    assert found == [hit for hit in everything[:limit] if hit.score >= min_score]
