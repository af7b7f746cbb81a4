"""What an index keeps of interactions, read as columns: thousands of them in one row of Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reflexio_server.store.text_search import hashed_words


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
    """Little-endian half-precision floats, as many vectors as there are pieces."""


INTERACTION_COLUMNS = """
    array_agg(i.interaction_id) as interaction_ids, array_agg(i.created_at) as created_ats,
    string_agg(uuid_send(i.request_id), '') as request_ids, array_agg(i.session_id) as session_ids,
    array_agg(i.role) as roles, array_agg(i.source) as sources, array_agg(i.asks) as asks,
    array_agg(octet_length(i.words) / 4) as word_counts, string_agg(i.words, '') as words
"""
"""Aggregates over what `described` joins. All see the rows in the same order: their elements belong together."""


def described(embedded: str) -> str:
    """What is to be joined to know of interactions what `INTERACTION_COLUMNS` needs, as `i`.

    Args:
        embedded: A name whose columns `interaction_id` and `words` say which, and their words where they are known.
    """
    return f"""lateral (
        select i.interaction_id, i.created_at, i.request_id, i.session_id, i.role, i.source,
               i.content ~ '[?\\uff1f\\u061f]' as asks,
               coalesce({embedded}.words, {hashed_words("i.lexemes")}, '') as words
        from interactions i where i.org_id = :org_id and i.interaction_id = {embedded}.interaction_id
        -- Has each looked up: where an organisation is not very large, Postgres would go through all that it ever said.
        limit 1
    ) i on true"""  # noqa: S608 -- what is put in are names and constants of ours.


def rows_from(row: Mapping[str, Any], piece_counts: Sequence[int], vectors: bytes) -> InteractionRows:
    """The interactions in a row that has `INTERACTION_COLUMNS`."""
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
