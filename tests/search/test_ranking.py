"""Reciprocal rank fusion, against its arithmetic."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reflexio_server.domain.ids import InteractionId
from reflexio_server.search.ranking import RANK_CONSTANT, Candidate, reciprocal_rank_fusion


def ranking(*ids: int, created_at: int = 0) -> list[Candidate]:
    return [Candidate(InteractionId(i), 1 / place, created_at) for place, i in enumerate(ids, start=1)]


def scores(rankings: list[list[Candidate]]) -> dict[int, float]:
    return {candidate.interaction_id: candidate.score for candidate in reciprocal_rank_fusion(rankings)}


def order(rankings: list[list[Candidate]]) -> list[int]:
    return [candidate.interaction_id for candidate in reciprocal_rank_fusion(rankings)]


def test_who_is_first_everywhere_has_the_best_score_there_is():
    assert scores([ranking(7, 8), ranking(7, 9)])[7] == pytest.approx(1)


def test_who_is_first_on_one_of_two_sides_has_half_of_it():
    assert scores([ranking(7), ranking()])[7] == pytest.approx(0.5)


def test_a_score_is_the_sum_of_the_reciprocal_ranks():
    found = scores([ranking(1, 2, 3), ranking(3, 1)])
    most = 2 / (RANK_CONSTANT + 1)
    assert found == pytest.approx(
        {
            1: (1 / 61 + 1 / 62) / most,
            2: (1 / 62) / most,
            3: (1 / 63 + 1 / 61) / most,
        }
    )


def test_being_found_on_both_sides_counts_more_than_being_first_on_one():
    assert order([ranking(1, 3), ranking(2, 3)])[0] == 3


def test_with_the_same_score_the_newer_comes_first():
    older, newer = Candidate(InteractionId(1), 1, created_at=10), Candidate(InteractionId(2), 1, created_at=20)
    assert order([[older], [newer]]) == [2, 1]
    assert order([[newer], [older]]) == [2, 1]


def test_at_the_same_moment_the_later_id_is_the_newer():
    assert order([ranking(1), ranking(2)]) == [2, 1]


@pytest.mark.parametrize("rankings", [[[]], [[], []]])
def test_nothing_found_is_nothing_fused(rankings: list[list[Candidate]]):
    assert reciprocal_rank_fusion(rankings) == []


@given(st.lists(st.lists(st.integers(1, 30), unique=True), min_size=1, max_size=3))
def test_everything_found_comes_back_once_with_a_score_up_to_one(found: list[list[int]]):
    rankings = [ranking(*ids) for ids in found]
    fused = reciprocal_rank_fusion(rankings)
    assert sorted(c.interaction_id for c in fused) == sorted(set(itertools.chain(*found)))
    assert all(0 < c.score <= 1 + 1e-9 for c in fused)
    assert fused == sorted(fused, key=lambda c: (-c.score, -c.created_at, -c.interaction_id))
