"""What a search asks Postgres before it ranks: how fresh its index must be, what waits, and the words of the query."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_rows import InteractionRows, described, interaction_columns, rows_from
from reflexio_server.store.statement import Statement
from reflexio_server.store.text_search import any_word, hashed_query, hashed_words, other_spellings, plain_words
from reflexio_server.store.user_state import USER_STATE_COLUMNS, UserState

_NEWEST_WAITING = 256
_MOST_WAITING = 2000
"""Of what waits, the newest are read whatever they say, because they are the context of each other; of the others those
that have a word of the query, so many altogether."""

# The words of what waits are read from its lexemes, because nothing else has them yet.
_WAITING = f"""
    with queued as (
        select interaction_id, row_number() over (order by interaction_id desc) as place from embedding_queue
        where org_id = :org_id and user_id = :user_id and failed_model is null
    ), waiting as (
        select q.interaction_id from queued q
        join interactions i on i.org_id = :org_id and i.interaction_id = q.interaction_id
        where q.place <= {_NEWEST_WAITING} or i.lexemes @@ {any_word(":query", ":other_spellings")}
        order by q.interaction_id desc limit {_MOST_WAITING}
    ), described as (
        select {interaction_columns()}
        from waiting w join {described("w", f"coalesce({hashed_words('i.lexemes')}, '')")}
    )
"""  # noqa: S608 -- what is put in are constants.

_COLUMNS = f"""
    {hashed_query(":query")} as query_words, {hashed_query(":other_spellings")} as spellings,
    {USER_STATE_COLUMNS}
"""

_TYPES = {"org_id": "bigint", "user_id": "text", "query": "text", "other_spellings": "text", "config": "text"}

# One statement is one snapshot: what it does not find in the queue has vectors of that version. There are two, because
# Postgres would plan the reading of what waits also where it is not wanted.
_STATE = Statement(f"select {_COLUMNS}", _TYPES)
_STATE_AND_WAITING = Statement(
    f"{_WAITING} select described.*, {_COLUMNS} from described",  # noqa: S608 -- as above.
    _TYPES,
)


class QueryWord(NamedTuple):
    """A word of a query."""

    hash: int
    """The first 32 bits of the SHA-256 of its stem."""
    is_identifier: bool = False
    """Whether it has a digit: it stands for one thing rather than for a subject."""
    if_it_occurs: bool = False
    """Whether it counts only where the user has it: it is another spelling of words that count in any case."""


@dataclass(frozen=True, slots=True)
class SearchState:
    """What there is to search of a user, at one moment."""

    user: UserState
    """How fresh the index must be."""
    waiting: InteractionRows | None
    """What is not embedded, where it was asked for and there is any."""
    query_words: tuple[QueryWord, ...]
    """The words of the query, each once."""


async def read(
    database: Database,
    org_id: OrgId,
    user_id: UserId,
    query: str,
    config: str,
    *,
    plain: str | None = None,
    with_waiting: bool,
    known_words: tuple[QueryWord, ...] | None = None,
) -> SearchState:
    """What there is to search.

    Args:
        database: Where to read.
        org_id: Whose.
        user_id: Of which user.
        query: Plain language.
        config: The Postgres text search configuration that stems its words.
        plain: What of the query is looked for word by word; None for all of it. Identifiers are those of the whole.
        with_waiting: Whether to read what is not embedded.
        known_words: The words of the query, where an earlier call has told them.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
    """
    if known_words is not None and not with_waiting:
        query = plain = ""
    parameters = {
        "org_id": org_id,
        "user_id": user_id,
        "query": plain_words(query if plain is None else plain),
        "other_spellings": other_spellings(query),
        "config": config,
    }
    statement = _STATE_AND_WAITING if with_waiting else _STATE
    async with database.direct(org_id) as connection:
        rows = await connection.fetch(statement.sql, *statement.arguments(parameters))
    [row] = rows
    waiting = None
    if with_waiting and row["interaction_ids"]:
        waiting = rows_from(row, [0] * len(row["interaction_ids"]), b"")
    words = known_words if known_words is not None else _query_words(row)
    return SearchState(UserState(*(row[name] for name in UserState._fields)), waiting, words)


def _query_words(row: Mapping[str, Any]) -> tuple[QueryWord, ...]:
    said = _words(row["query_words"] or b"", if_it_occurs=False)
    others = _words(row["spellings"] or b"", if_it_occurs=True)
    return tuple({word.hash: word for word in [*others, *said]}.values())


def _words(hashes: bytes, *, if_it_occurs: bool) -> list[QueryWord]:
    """What `hashed_query` gives."""
    return [
        QueryWord(word, is_identifier=bool(has_digit), if_it_occurs=if_it_occurs)
        for word, has_digit in struct.iter_unpack(">IH", hashes)
    ]
