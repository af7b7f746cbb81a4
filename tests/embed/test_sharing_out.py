"""A batch is shared out to threads: in order, evenly, and whole."""

from hypothesis import given
from hypothesis import strategies as st
from reflexio_server.embed.minilm.encoder import _shared_out

texts_of_pieces = st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=40), min_size=1, max_size=30)


@given(texts_of_pieces, st.integers(1, 8))
def test_all_texts_are_in_the_parts_in_order(texts, most):
    parts = _shared_out(texts, most)
    assert [text for part in parts for text in part] == texts
    assert all(parts)
    assert len(parts) <= most


@given(texts_of_pieces, st.integers(1, 8))
def test_no_part_is_larger_than_its_share_by_more_than_a_text(texts, most):
    share = sum(map(len, texts)) / most
    for part in _shared_out(texts, most):
        assert sum(map(len, part)) < share + 2 * max(map(len, texts))


def test_texts_of_one_length_are_shared_evenly():
    assert [len(part) for part in _shared_out([[1, 2, 3]] * 8, 2)] == [4, 4]
    assert [len(part) for part in _shared_out([[1, 2, 3]] * 2, 8)] == [1, 1]
