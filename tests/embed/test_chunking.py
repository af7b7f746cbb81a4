"""Cutting texts at the right places."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st
from reflexio_server.embed.chunking import pieces, spans, speaker_of


def tokens_of(text):
    """Pieces of words of up to three letters, as word-piece tokenizers cut them."""
    return [match.span() for match in re.finditer(r"\w{1,3}|[^\w\s]", text)]


@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=200), st.integers(8, 40))
def test_pieces_fit_cover_everything_and_move_on(words, window):
    text = " ".join(words)
    tokens = tokens_of(text)
    pieces = spans(text, tokens, window)
    assert pieces[0][0] == tokens[0][0]
    assert pieces[-1][1] == tokens[-1][1]
    for start, end in pieces:
        assert len([token for token in tokens if start <= token[0] and token[1] <= end]) <= window
    for (start, end), (next_start, next_end) in itertools.pairwise(pieces):
        assert start < next_start <= end or not text[end:next_start].strip()
        assert end < next_end


def test_neighbours_overlap_and_are_cut_between_words():
    text = " ".join(f"word{number}" for number in range(300))
    pieces = [text[start:end] for start, end in spans(text, tokens_of(text), 64)]
    words = set(text.split())
    for piece in pieces:
        assert set(piece.split()) <= words
    for one, following in itertools.pairwise(pieces):
        assert one.split()[-1] in following.split()


def test_a_text_without_spaces_is_cut_all_the_same():
    text = "好" * 1000
    tokens = [(place, place + 1) for place in range(1000)]
    pieces = spans(text, tokens, 64)
    assert len(pieces) < 20
    assert all(end - start <= 64 for start, end in pieces)


def test_the_speaker_is_what_stands_before_the_first_colon():
    assert speaker_of("Sales Rep: how are you: fine?") == "Sales Rep: "
    assert speaker_of("no speaker here") == ""
    assert speaker_of("a line\nthen: something") == ""
    assert speaker_of(": odd") == ""
    assert speaker_of(f"{'very long ' * 10}name: hello") == ""


@given(st.integers(1, 60), st.integers(1, 8), st.integers(8, 40))
def test_a_name_that_takes_many_tokens_crowds_nothing_out(letters, tokens_a_letter, window):
    """Some scripts take several tokens for each letter of a name."""

    def tokens_of(text: str) -> list[tuple[int, int]]:
        return [
            (place, place + 1)
            for place, letter in enumerate(text)
            for _ in range(tokens_a_letter if letter == "김" else 1)
        ]

    said = "ab cd " * 50
    found = pieces(f"{'김' * letters}: {said}", tokens_of, window)
    assert len(found) < len(said), "each says something new"
    # A cut cannot go through a letter.
    assert all(len(tokens_of(piece)) <= window + 2 * tokens_a_letter for piece in found)
