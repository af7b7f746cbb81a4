"""Cutting long texts into overlapping pieces. Pure."""

from collections.abc import Callable, Sequence

_MOST_SPEAKER = 64
"""How many characters the name of a speaker may have to be repeated in each piece."""


def pieces(text: str, tokens_of: Callable[[str], Sequence[tuple[int, int]]], window: int) -> list[str]:
    """The pieces that together say all of `text`. Each of them says who speaks, where `text` begins with that.

    Args:
        text: The text.
        tokens_of: Tells where each token of a text begins and ends, in order.
        window: How many tokens a piece may have.
    """
    # A token stands for one byte at least.
    if len(text.encode()) <= window:
        return [text]
    tokens = tokens_of(text)
    if len(tokens) <= window:
        return [text]
    speaker = speaker_of(text)
    cost = len(tokens_of(speaker))
    if cost > window // 4:
        # Some scripts take several tokens a letter: the name must not crowd out what is said.
        speaker, cost = "", 0
    first, *others = spans(text, tokens, window - cost)
    return [text[slice(*first)], *(speaker + text[slice(*span)] for span in others)]


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
    found = []
    start = 0
    while len(tokens) - start > window:
        end = _between_words(text, tokens, start + window, overlap)
        found.append((tokens[start][0], tokens[end - 1][1]))
        start = _between_words(text, tokens, end - overlap, overlap)
    found.append((tokens[start][0], tokens[-1][1]))
    return found


def _between_words(text: str, tokens: Sequence[tuple[int, int]], wanted: int, leeway: int) -> int:
    """The last token up to `wanted` that begins a word, no more than `leeway` before it; else `wanted`."""
    for token in range(wanted, wanted - leeway, -1):
        if text[tokens[token][0] - 1].isspace() or text[tokens[token][0]].isspace():
            return token
    return wanted
