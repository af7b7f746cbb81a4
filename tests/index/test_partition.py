"""A partition against plain numpy, after any history."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reflexio_server.domain.ids import InteractionId, RequestId, SessionId
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.index import partition as partition_module
from reflexio_server.index.partition import Partition
from reflexio_server.index.timeline import BYTES_EACH
from reflexio_server.store.interaction_rows import InteractionRows

from tests.contracts.asking import nearest_in

DIMENSION = 8
REQUESTS = [RequestId(UUID(int=number << 64 | 1)) for number in range(3)]
# Few directions, so that equal scores are frequent.
DIRECTIONS = np.random.default_rng(3).standard_normal((5, DIMENSION)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)


@dataclass(frozen=True)
class Said:
    """An interaction with its pieces, each one of the directions."""

    interaction_id: int
    created_at: int
    request: int
    session_id: str
    role: str
    source: str
    pieces: tuple[int, ...]


ANY = InteractionFilter()


def few(*values):
    return st.sampled_from(values)


said = st.builds(
    Said,
    interaction_id=st.integers(1, 12),
    created_at=few(-5, 0, 1_700_000_000_000_000_000, 1_700_000_000_000_000_001),
    request=st.integers(0, 2),
    session_id=few("", "a", "b"),
    role=few("User", "Agent"),
    source=few("", "web"),
    pieces=st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple),
)
added = st.lists(said, min_size=1, max_size=6, unique_by=lambda s: s.interaction_id)
removed = st.lists(st.integers(1, 14), max_size=4)
filters = st.builds(
    InteractionFilter,
    request_id=st.none() | few(*REQUESTS),
    session_id=st.none() | few("", "a", "c").map(SessionId),
    role=st.none() | few("User", "user"),
    source=st.none() | few("", "web"),
    start_time=st.none() | few(0, 1_700_000_000_000_000_001),
    end_time=st.none() | few(0, 1_700_000_000_000_000_000),
)
positions = st.none() | st.tuples(few(0, 1_700_000_000_000_000_000), st.integers(0, 13).map(InteractionId))
searches = st.tuples(st.integers(0, 4), st.integers(0, 15), filters, positions)


@settings(max_examples=300)
@given(
    few(1, 3, 8, 65_536),
    st.lists(st.tuples(few("add", "remove"), added, removed), max_size=8),
    st.lists(searches, min_size=1, max_size=4),
)
def test_it_agrees_with_brute_force_after_any_history(segment_vectors, history, asked):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(partition_module, "_SEGMENT_VECTORS", segment_vectors)
        compare_with_brute_force(history, asked)


def compare_with_brute_force(history, asked):
    partition = Partition(DIMENSION)
    held: dict[int, Said] = {}
    for step, new, gone in history:
        if step == "add":
            partition.add(rows_of(new))
            held |= {s.interaction_id: s for s in new}
        else:
            partition.remove(gone)
            held = {id_: s for id_, s in held.items() if id_ not in gone}
    assert len(partition) == sum(len(s.pieces) for s in held.values())
    for direction, limit, where, not_before in asked:
        query = DIRECTIONS[direction]
        found = nearest_in(partition, query, limit, where, not_before)
        expected = brute_force(held.values(), query, where, not_before)[:limit]
        assert [n.interaction_id for n in found] == [id_ for _, _, id_ in expected]
        assert [n.created_at for n in found] == [created_at for _, created_at, _ in expected]
        assert [n.score for n in found] == pytest.approx([min(1, score) for score, _, _ in expected], abs=1e-6)


def brute_force(held, query, where, not_before):
    stored = DIRECTIONS.astype(np.float16).astype(np.float32)
    # Rounded, because numpy adds up in another order than FAISS: what is equal for one must be so for the other.
    scores = [round(float(np.dot(vector, query)), 5) for vector in stored]
    considered = [
        s for s in held if fits(s, where) and (not not_before or (s.created_at, s.interaction_id) >= not_before)
    ]
    best = [(max(scores[piece] for piece in s.pieces), s.created_at, s.interaction_id) for s in considered]
    exact = dict(zip(scores, [float(np.dot(vector, query)) for vector in stored], strict=True))
    return [(exact[score], created_at, id_) for score, created_at, id_ in sorted(best, reverse=True)]


def fits(s, where):
    return (
        where.request_id in (None, REQUESTS[s.request])
        and where.session_id in (None, s.session_id)
        and where.role in (None, s.role)
        and where.source in (None, s.source)
        and (where.start_time is None or s.created_at >= where.start_time)
        and (where.end_time is None or s.created_at <= where.end_time)
    )


def rows_of(interactions):
    pieces = [piece for s in interactions for piece in s.pieces]
    return InteractionRows(
        interaction_ids=[s.interaction_id for s in interactions],
        created_ats=[s.created_at for s in interactions],
        request_ids=b"".join(REQUESTS[s.request].bytes for s in interactions),
        session_ids=[s.session_id for s in interactions],
        roles=[s.role for s in interactions],
        sources=[s.source for s in interactions],
        asks=[False for _ in interactions],
        word_counts=[0 for _ in interactions],
        words=b"",
        piece_counts=[len(s.pieces) for s in interactions],
        vectors=b"".join(DIRECTIONS[piece].astype("<f2").tobytes() for piece in pieces),
    )


def test_its_size_follows_what_it_holds():
    partition = Partition(DIMENSION)
    empty = partition.nbytes
    many = [Said(id_, 1, 0, f"session {id_}", "User", "", (0, 1)) for id_ in range(1, 1001)]
    partition.add(rows_of(many))
    full = partition.nbytes
    assert full - empty >= 2000 * (2 * DIMENSION + 8 + 8 + 16)
    partition.remove([id_ for id_ in range(1, 1001) if id_ % 2])
    assert partition.nbytes - empty == pytest.approx((full - empty) / 2, rel=0.02)
    partition.remove(range(1, 1001))
    assert partition.nbytes == empty


def test_segments_are_bounded_and_those_that_became_small_are_joined(monkeypatch):
    monkeypatch.setattr(partition_module, "_SEGMENT_VECTORS", 100)
    partition = Partition(DIMENSION)
    many = [Said(id_, id_, 0, "", "User", "", (id_ % 5,)) for id_ in range(1, 1001)]
    for start in range(0, 1000, 70):
        partition.add(rows_of(many[start : start + 70]))
    assert [len(segment) for segment in partition._segments] == [100] * 10
    partition.remove(range(201, 301))
    assert [len(segment) for segment in partition._segments] == [100] * 9
    partition.remove(id_ for id_ in range(1, 1001) if id_ % 10)
    assert len(partition) == 90
    assert [len(segment) for segment in partition._segments] == [50, 40]
    left = [s for s in many if s.interaction_id % 10 == 0 and not 200 < s.interaction_id <= 300]
    found = nearest_in(partition, DIRECTIONS[0], 1000)
    assert [n.interaction_id for n in found] == [id_ for _, _, id_ in brute_force(left, DIRECTIONS[0], ANY, None)]
    partition.remove(range(1001))
    assert [len(segment) for segment in partition._segments] == [0]


@pytest.mark.parametrize("step", [1, 7])
def test_memory_that_it_took_for_growing_is_counted(step):
    partition = Partition(DIMENSION)
    for start in range(0, 350, step):
        new = [Said(id_, 1, 0, "", "User", "", (0,)) for id_ in range(start + 1, start + step + 1)]
        partition.add(rows_of(new))
    one = 2 * DIMENSION + partition._segments[0]._buffer.itemsize + partition._documents.rows.itemsize + BYTES_EACH
    assert 350 * one < partition.nbytes - Partition(DIMENSION).nbytes < 2 * 350 * one


def test_what_is_looked_through_and_moved_for_an_addition_is_counted(monkeypatch):
    monkeypatch.setattr(partition_module, "_SEGMENT_VECTORS", 100)
    partition = Partition(DIMENSION)

    def rows_with(*ids):
        return rows_of([Said(id_, 1, 0, "", "User", "", (0,)) for id_ in ids])

    partition.add(rows_with(*range(1, 101)))
    rows = partition._documents.rows.nbytes
    one = rows // 100 + 2 * DIMENSION
    assert partition.adding_bytes(rows_with(101)) == one + rows + 100 * 2 * DIMENSION
    partition.add(rows_with(101))
    assert partition.adding_bytes(rows_with(102)) < 2 * one, "there is room for some more"
    newer = partition.adding_bytes(rows_with(102, 103))
    assert partition.adding_bytes(rows_with(50, 102)) == newer + 8 * 101, "all are looked through for the older one"
    partition.settle()
    in_order = partition._documents.timeline
    inserted = in_order.order.nbytes + in_order._conversations.nbytes
    assert partition.adding_bytes(rows_with(102, 103)) == newer + 2 * inserted


def test_a_vector_that_rounding_made_too_long_scores_no_more_than_one():
    direction = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)
    rounded = direction.astype("<f2")
    longer = rounded if float(rounded.astype(np.float32) @ direction) > 1 else np.nextafter(rounded, np.float16(1))
    partition = Partition(DIMENSION)
    rows = rows_of([Said(1, 1, 0, "", "User", "", (0,)), Said(2, 1, 0, "", "User", "", (0,))])
    partition.add(InteractionRows(**{**{n: getattr(rows, n) for n in rows.__slots__}, "vectors": longer.tobytes() * 2}))
    assert [n.score for n in nearest_in(partition, direction, 2)] == [1.0, 1.0]
    assert [n.score for n in nearest_in(partition, -direction, 2)] == [-1.0, -1.0]
