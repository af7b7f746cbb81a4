"""What a search asks Postgres before it ranks: how fresh its index must be, what waits, and the words of the query."""

import struct
from dataclasses import dataclass

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_rows import INTERACTION_COLUMNS, InteractionRows, described, rows_from
from reflexio_server.store.statement import Statement
from reflexio_server.store.text_search import hashed_query, other_spellings, plain_words

# One statement is one snapshot: what it does not find in the queue has vectors of that version. The words of what waits
# are read from its lexemes, because nothing else has them yet.
_STATE = Statement(
    f"""
    with waiting as (
        select interaction_id, null::bytea as words from embedding_queue
        where org_id = :org_id and user_id = :user_id and failed_model is null and :with_waiting
    ), described as (
        select {INTERACTION_COLUMNS} from waiting w join {described("w")}
    )
    select described.*,
           {hashed_query(":query")} as query_words, {hashed_query(":other_spellings")} as spellings,
           (select version from user_versions where org_id = :org_id and user_id = :user_id) as version,
           (select model from embedding_models where state = 'active') as active_model,
           (select dimension from embedding_models where state = 'active') as active_dimension,
           exists (
               select from embedding_queue
               where org_id = :org_id and user_id = :user_id and failed_model is null) as is_waiting
    from described
    """,  # noqa: S608 -- what is put in are constants.
    {
        "org_id": "bigint",
        "user_id": "text",
        "with_waiting": "boolean",
        "query": "text",
        "other_spellings": "text",
        "config": "text",
    },
)


@dataclass(frozen=True, slots=True)
class QueryWord:
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

    version: int | None
    """The version of the user's set of vectors; None where there never was one."""
    active_model: str | None
    """The model that made them; None where no server has ever started."""
    active_dimension: int | None
    """The dimension of its vectors."""
    is_waiting: bool
    """Whether something is not embedded."""
    waiting: InteractionRows | None
    """What is not embedded, where it was asked for and there is any."""
    query_words: tuple[QueryWord, ...]
    """The words of the query, each once."""


async def read(
    database: Database, org_id: OrgId, user_id: UserId, query: str, config: str, *, with_waiting: bool
) -> SearchState:
    """What there is to search.

    Args:
        database: Where to read.
        org_id: Whose.
        user_id: Of which user.
        query: Plain language.
        config: The Postgres text search configuration that stems its words.
        with_waiting: Whether to read what is not embedded.

    Raises:
        DatabaseUnavailable: Postgres cannot be reached.
    """
    parameters = {
        "org_id": org_id,
        "user_id": user_id,
        "query": plain_words(query),
        "other_spellings": other_spellings(query),
        "config": config,
        "with_waiting": with_waiting,
    }
    async with database.direct() as connection:
        rows = await connection.fetch(_STATE.sql, *_STATE.arguments(parameters))
    [row] = rows
    waiting = None
    if row["interaction_ids"]:
        waiting = rows_from(row, [0] * len(row["interaction_ids"]), b"")
    said = _words(row["query_words"] or b"", if_it_occurs=False)
    others = _words(row["spellings"] or b"", if_it_occurs=True)
    words = tuple({word.hash: word for word in [*others, *said]}.values())
    return SearchState(row["version"], row["active_model"], row["active_dimension"], row["is_waiting"], waiting, words)


def _words(hashes: bytes, *, if_it_occurs: bool) -> list[QueryWord]:
    """What `hashed_query` gives."""
    return [
        QueryWord(word, is_identifier=bool(has_digit), if_it_occurs=if_it_occurs)
        for word, has_digit in struct.iter_unpack(">IH", hashes)
    ]
