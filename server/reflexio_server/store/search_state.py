"""What a search asks Postgres before it ranks: how fresh its index must be, what waits, and the words of the query."""

from dataclasses import dataclass

from reflexio_server.domain.ids import OrgId, UserId
from reflexio_server.store.database import Database
from reflexio_server.store.interaction_rows import INTERACTION_COLUMNS, InteractionRows, described, rows_from
from reflexio_server.store.statement import Statement
from reflexio_server.store.text_search import QUERY_WORDS, plain_words

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
           {QUERY_WORDS} as query_words,
           (select version from user_versions where org_id = :org_id and user_id = :user_id) as version,
           (select model from embedding_models where state = 'active') as active_model,
           exists (
               select from embedding_queue
               where org_id = :org_id and user_id = :user_id and failed_model is null) as is_waiting
    from described
    """,  # noqa: S608 -- what is put in are constants.
    {"org_id": "bigint", "user_id": "text", "with_waiting": "boolean", "query": "text", "config": "text"},
)


@dataclass(frozen=True, slots=True)
class SearchState:
    """What there is to search of a user, at one moment."""

    version: int | None
    """The version of the user's set of vectors; None where there never was one."""
    active_model: str | None
    """The model that made them; None where no server has ever started."""
    is_waiting: bool
    """Whether something is not embedded."""
    waiting: InteractionRows | None
    """What is not embedded, where it was asked for and there is any."""
    query_words: tuple[int, ...]
    """Hashes of the words of the query."""


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
        "config": config,
        "with_waiting": with_waiting,
    }
    async with database.direct() as connection:
        rows = await connection.fetch(_STATE.sql, *_STATE.arguments(parameters))
    [row] = rows
    waiting = None
    if row["interaction_ids"]:
        waiting = rows_from(row, [0] * len(row["interaction_ids"]), b"")
    words = row["query_words"] or b""
    hashes = tuple(int.from_bytes(words[start : start + 4]) for start in range(0, len(words), 4))
    return SearchState(row["version"], row["active_model"], row["is_waiting"], waiting, hashes)
