"""What a partition says of its interactions, against plain Python after any history: context, words, roles."""

from collections import Counter
from dataclasses import dataclass
from math import log
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reflexio_server.domain.interaction import InteractionFilter
from reflexio_server.index import documents as documents_module
from reflexio_server.index import terms as terms_module
from reflexio_server.index import timeline as timeline_module
from reflexio_server.index import word_scores as word_scores_module
from reflexio_server.index.evidence import Question
from reflexio_server.index.partition import Partition
from reflexio_server.store.interaction_rows import InteractionRows
from reflexio_server.store.search_state import QueryWord

DIMENSION = 8
DIRECTIONS = np.random.default_rng(5).standard_normal((6, DIMENSION)).astype(np.float32)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
STORED = DIRECTIONS.astype(np.float16).astype(np.float32)
REQUESTS = [UUID(int=1), UUID(int=2), UUID(int=2 << 64)]
WORDS = [7, 2**31, 2**32 - 1]
PLAIN, IDENTIFIER, SPELLING = (
    QueryWord(WORDS[0]),
    QueryWord(WORDS[1], is_identifier=True),
    QueryWord(WORDS[2], if_it_occurs=True),
)
ASKED = (PLAIN, IDENTIFIER, SPELLING)


@dataclass(frozen=True)
class Said:
    interaction_id: int
    created_at: int
    session_id: str
    request: int
    role: str
    words: tuple[int, ...]
    pieces: tuple[int, ...]

    @property
    def conversation(self) -> str | int:
        return self.session_id or self.request


said = st.builds(
    Said,
    interaction_id=st.integers(1, 20),
    created_at=st.integers(0, 5),
    session_id=st.sampled_from(["", "a", "b"]),
    request=st.integers(0, 2),
    role=st.sampled_from(["User", "Ann"]),
    words=st.lists(st.sampled_from([*WORDS, 0, 99]), max_size=6).map(tuple),
    pieces=st.lists(st.integers(0, 5), min_size=1, max_size=2).map(tuple),
)
histories = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "remove"]),
        st.lists(said, min_size=1, max_size=6, unique_by=lambda s: s.interaction_id),
        st.lists(st.integers(1, 20), max_size=5),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=150)
@given(
    histories, st.sampled_from([1, 4, 64]), st.sampled_from([0, 5, 8192]), st.sampled_from([0, 256]), st.integers(0, 4)
)
def test_words_and_meaning_are_those_of_plain_python(history, few, small_tail, few_gone, rare):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(timeline_module, "_FEW", few)
        patched.setattr(terms_module, "_SMALL_TAIL", small_tail)
        patched.setattr(documents_module, "_FEW_GONE", few_gone)
        patched.setattr(word_scores_module, "_RARE", rare)
        patched.setattr(word_scores_module, "_FEW", 0 if few_gone else 16_384)
        partition, held = Partition(DIMENSION), {}
        for step, new, gone, is_searched in history:
            if step == "add":
                partition.add(rows_of(new))
                held |= {s.interaction_id: s for s in new}
            else:
                partition.remove(gone)
                held = {id_: s for id_, s in held.items() if id_ not in gone}
            if is_searched:
                compare(partition, held)
        compare(partition, held)


def compare(partition, held):
    question = Question(DIRECTIONS[0], ASKED, InteractionFilter(), None, 100, roles=("Ann",))
    found = partition.evidence(question)
    assert sorted(found.interaction_ids.tolist()) == sorted(held)
    assert set(partition.roles) == {s.role for s in held.values()}
    expected_words, expected_similarity = words_of(held), similarity_of(held, DIRECTIONS[0])
    for place, id_ in enumerate(found.interaction_ids.tolist()):
        assert found.words[place] == pytest.approx(expected_words[id_], abs=1e-5)
        assert found.similarity[place] == pytest.approx(expected_similarity[id_], abs=1e-5)
        assert found.of_role[place] == (held[id_].role == "Ann")


def conversations_of(held):
    found = {}
    for s in sorted(held.values(), key=lambda s: (s.created_at, s.interaction_id)):
        found.setdefault(s.conversation, []).append(s)
    return found.values()


def words_of(held):
    frequencies, lengths = {}, {}
    for conversation in conversations_of(held):
        for place, s in enumerate(conversation):
            frequency, length = Counter(), 1.0
            for other_place, other in enumerate(conversation):
                steps = place - other_place
                if abs(steps) <= 3:
                    weight = 0.6**steps if steps > 0 else 0.4**-steps
                    length += weight * len(other.words)
                    for word in other.words:
                        frequency[word] += weight
            frequencies[s.interaction_id], lengths[s.interaction_id] = frequency, length
    having = Counter(word for s in held.values() for word in set(s.words))
    weights = {
        word: (1.5 if word.is_identifier else 1) * log(1 + (len(held) - n + 0.5) / (n + 0.5))
        for word in ASKED
        if (n := having[word.hash]) or not word.if_it_occurs
    }
    mean = sum(lengths.values()) / len(lengths) if lengths else 1

    def share(word, id_):
        if word.is_identifier:
            return float(word.hash in held[id_].words)
        frequency = frequencies[id_][word.hash]
        return frequency / (frequency + 1.2 * (0.7 + 0.3 * lengths[id_] / mean))

    return {
        id_: sum(weight * share(word, id_) for word, weight in weights.items()) / sum(weights.values()) for id_ in held
    }


def similarity_of(held, query):
    found = {}
    best = {
        s.interaction_id: max((STORED[piece] for piece in s.pieces), key=lambda v: v @ query) for s in held.values()
    }
    for conversation in conversations_of(held):
        for place, s in enumerate(conversation):
            mixed = best[s.interaction_id].copy()
            for beside in (place - 1, place + 1):
                if 0 <= beside < len(conversation):
                    mixed += np.float32(0.3) * best[conversation[beside].interaction_id]
            found[s.interaction_id] = float(mixed @ query / np.linalg.norm(mixed))
    return found


def rows_of(interactions):
    return InteractionRows(
        interaction_ids=[s.interaction_id for s in interactions],
        created_ats=[s.created_at for s in interactions],
        request_ids=b"".join(REQUESTS[s.request].bytes for s in interactions),
        session_ids=[s.session_id for s in interactions],
        roles=[s.role for s in interactions],
        sources=["" for _ in interactions],
        asks=[False for _ in interactions],
        word_counts=[len(s.words) for s in interactions],
        words=b"".join(word.to_bytes(4) for s in interactions for word in s.words),
        piece_counts=[len(s.pieces) for s in interactions],
        vectors=b"".join(DIRECTIONS[piece].astype("<f2").tobytes() for s in interactions for piece in s.pieces),
    )
