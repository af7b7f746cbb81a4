"""What an index keeps of interactions, read as columns: thousands of them in one row of Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InteractionRows:
    """Interactions as columns: the elements at one place belong together."""

    interaction_ids: Sequence[int]
    created_ats: Sequence[int]
    """Nanoseconds since the epoch."""
    request_ids: bytes
    """16 bytes each."""
    session_ids: Sequence[str]
    roles: Sequence[str]
    sources: Sequence[str]
    asks: Sequence[bool]
    """Whether it has a question mark."""
    word_counts: Sequence[int]
    words: bytes
    """4 bytes for each occurrence of a word, `word_counts` of them each, big-endian."""
    piece_counts: Sequence[int]
    """How many vectors it has."""
    vectors: bytes
    """Little-endian half-precision floats, as many vectors as there are pieces, in any order."""


def interaction_columns(only: str = "") -> str:
    """Aggregates over what `described` joins. All see the rows in the same order: their elements belong together.

    Args:
        only: A `filter` clause, where not every row is an interaction.
    """
    aggregates = {
        "interaction_ids": "array_agg(i.interaction_id)",
        "created_ats": "array_agg(i.created_at)",
        "request_ids": "string_agg(uuid_send(i.request_id), '')",
        "session_ids": "array_agg(i.session_id)",
        "roles": "array_agg(i.role)",
        "sources": "array_agg(i.source)",
        "asks": "array_agg(i.content ~ '[?\\uff1f\\u061f]')",
        "word_counts": "array_agg(octet_length(i.words) / 4)",
        "words": "string_agg(i.words, '')",
    }
    return ", ".join(f"{aggregate} {only} as {name}" for name, aggregate in aggregates.items())


def described(name: str, words: str) -> str:
    """What is to be joined to know of interactions what `interaction_columns` needs, as `i`.

    Args:
        name: Of what has a column `interaction_id` that says which.
        words: An expression for the words of an interaction `i`.
    """
    return f"""lateral (
        select i.interaction_id, i.created_at, i.request_id, i.session_id, i.role, i.source, i.content,
               {words} as words
        from interactions i where i.org_id = :org_id and i.interaction_id = {name}.interaction_id
        -- Has each looked up: where an organisation is not very large, Postgres would go through all that it ever said.
        limit 1
    ) i on true"""  # noqa: S608 -- what is put in are names and constants of ours.


def rows_from(row: Mapping[str, Any], piece_counts: Sequence[int], vectors: bytes) -> InteractionRows:
    """The interactions in a row that has `interaction_columns`."""
    return InteractionRows(
        interaction_ids=row["interaction_ids"],
        created_ats=row["created_ats"],
        request_ids=row["request_ids"],
        session_ids=row["session_ids"],
        roles=row["roles"],
        sources=row["sources"],
        asks=row["asks"],
        word_counts=row["word_counts"],
        words=row["words"],
        piece_counts=piece_counts,
        vectors=vectors,
    )
