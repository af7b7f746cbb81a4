"""Cutting long texts into overlapping pieces. Pure."""

from collections.abc import Sequence

_MOST_SPEAKER = 64
"""How many characters the name of a speaker may have to be repeated in each piece."""


def speaker_of(text: str) -> str:
    """How `text` begins where it says who speaks, as in `"User: "`; empty where it does not."""
    end = text.find(": ", 0, _MOST_SPEAKER + 2)
    return text[: end + 2] if end > 0 and "\n" not in text[:end] else ""


def spans(text: str, tokens: Sequence[tuple[int, int]], window: int) -> list[tuple[int, int]]:
    """Where to cut `text`: from and to which character each piece goes.

    Pieces overlap by about an eighth, so that a sentence at a seam is whole in one of them. They begin and end between
    words where there are such places: half a word reads as another one.

    Args:
        text: The text.
        tokens: Where each of its tokens begins and ends, in order.
        window: How many tokens a piece may have.
    """
    overlap = window // 8
    pieces = []
    start = 0
    while len(tokens) - start > window:
        end = _between_words(text, tokens, start + window, overlap)
        pieces.append((tokens[start][0], tokens[end - 1][1]))
        start = _between_words(text, tokens, end - overlap, overlap)
    pieces.append((tokens[start][0], tokens[-1][1]))
    return pieces


def _between_words(text: str, tokens: Sequence[tuple[int, int]], wanted: int, leeway: int) -> int:
    """The last token up to `wanted` that begins a word, no more than `leeway` before it; else `wanted`."""
    for token in range(wanted, wanted - leeway, -1):
        if text[tokens[token][0] - 1].isspace() or text[tokens[token][0]].isspace():
            return token
    return wanted
