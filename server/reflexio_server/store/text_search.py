"""Full-text search in Postgres: any of the query's words, rare words weighing more.

A question shares *some* of its words with its answer, so the words are joined by OR. The score of an interaction is

    sum over the words it has of  idf(word) * 10 * ts_rank(word)   /   sum over all words of  idf(word)

with idf(word) = ln(1 + (N - n + 0.5) / (n + 0.5)), where n of the N interactions that are considered have this word:
the inverse document frequency of BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009).
`ts_rank` of one word grows from 0.06 for one occurrence to 0.1 for very many, so the score lies between 0 and 1.
"""

import functools
import string
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Float, Integer, Select, SmallInteger, Text, bindparam, cast, column, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG, TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.domain.interaction import InteractionFilter, Position
from reflexio_server.store.conditions import conditions_on, parameters_of
from reflexio_server.store.database import Database
from reflexio_server.store.tables import interactions

_BLANKS = str.maketrans(dict.fromkeys(string.punctuation, " "))

_MOST_BYTES = 400_000
"""A `tsvector` holds 1 MiB; a hundred thousand words of three letters, all different, need 800 KB of it."""

_CONFIGS = text("select cfgname from pg_ts_config where pg_ts_config_is_visible(oid) order by cfgname")

_MOST_WORDS = 64
"""Of a longer query the first so many distinct words count."""


def plain_words(text: str) -> str:
    """`text` with blanks for punctuation: what is given to Postgres's parser, of interactions as of queries.

    With it the parser would look for addresses, tags and compounds. On "a_a_a…" or "x1@x1@…" that takes time that
    grows with the square of the length, minutes for what a publish may hold; and each compound is stored once more
    in full, which may exceed the size of a `tsvector`. For the same reason the end of a very long text is left out.
    """
    if len(text) > _MOST_BYTES // 4:
        text = text.encode()[:_MOST_BYTES].decode(errors="ignore")
    return text.translate(_BLANKS)


class UnknownTextSearchConfig(ValueError):
    """The database has no text search configuration of this name; the message lists those that it has."""


async def require_config(database: Database, name: str) -> None:
    """Make sure that there is a text search configuration `name`.

    Raises:
        UnknownTextSearchConfig: There is none.
        DatabaseUnavailable: Postgres cannot be reached.
    """
    async with database.autocommit() as connection:
        names = list(await connection.scalars(_CONFIGS))
    if name not in names:
        message = f"the database has no text search configuration {name!r}; it has {', '.join(names)}"
        raise UnknownTextSearchConfig(message)


@dataclass(frozen=True, slots=True)
class TextMatch:
    """An interaction that has some of a query's words."""

    interaction_id: InteractionId
    score: float
    """From 0 to 1; higher is better."""
    created_at: int
    """Nanoseconds since the epoch."""


async def matches(
    connection: AsyncConnection,
    org_id: OrgId,
    user_id: UserId,
    query: str,
    limit: int,
    where: InteractionFilter,
    not_before: Position | None,
    config: str,
) -> Sequence[TextMatch]:
    """The interactions that match `query` best; with the same score the newer first.

    Args:
        connection: Where to read.
        org_id: Whose.
        user_id: Of which user.
        query: Plain language.
        limit: How many at most.
        where: Which to consider; `not_before` stands for its `most_recent_k`.
        not_before: Consider only what is at this position or newer.
        config: The Postgres text search configuration that stems the words.
    """
    parameters = parameters_of(org_id, user_id, where, not_before)
    rows = await connection.execute(
        _statement(frozenset(parameters)),
        {**parameters, "config": config, "query": plain_words(query), "limit": limit},
    )
    return [TextMatch(InteractionId(row.interaction_id), float(row.score), row.created_at) for row in rows]


@functools.cache
def _statement(parameters: frozenset[str]) -> Select[tuple[int, float, int]]:
    """The statement for a query with these conditions. Building it takes longer than running it on a hundred rows."""
    said = func.to_tsvector(cast(bindparam("config"), REGCONFIG), bindparam("query", type_=Text))
    lexeme = func.unnest(said).table_valued("lexeme", column("positions", ARRAY(SmallInteger)), "weights")
    quoted = "'" + func.replace(func.replace(lexeme.c.lexeme, "\\", "\\\\"), "'", "''") + literal("'")
    words = (
        select(quoted.label("word"), cast(cast(quoted, Text), TSQUERY).label("query"))
        .order_by(lexeme.c.positions[1])
        .limit(_MOST_WORDS)
        .cte("words")
    )
    any_word = select(cast(func.string_agg(words.c.word, " | "), TSQUERY)).scalar_subquery()

    table = interactions.c
    considered = conditions_on(parameters)
    matched = (
        select(table.interaction_id, table.created_at, table.lexemes)
        .where(*considered, table.lexemes.op("@@")(any_word))
        .cte("matched")
    )
    hits = (
        select(
            matched.c.interaction_id,
            matched.c.created_at,
            words.c.word,
            (func.ts_rank(matched.c.lexemes, words.c.query) * 10).label("rank"),
        )
        .join_from(matched, words, matched.c.lexemes.op("@@")(words.c.query))
        .cte("hits")
    )
    total = select(func.count()).select_from(interactions).where(*considered).scalar_subquery()
    found = select(hits.c.word, func.count().label("n")).group_by(hits.c.word).cte("found")
    n = func.coalesce(found.c.n, 0)
    weights = (
        select(words.c.word, func.ln(1 + cast(total - n + 0.5, Float) / (n + 0.5)).label("idf"))
        .select_from(words.outerjoin(found, found.c.word == words.c.word))
        .cte("weights")
    )
    best = select(func.sum(weights.c.idf)).scalar_subquery()
    score = (func.sum(weights.c.idf * hits.c.rank) / best).label("score")
    return (
        select(hits.c.interaction_id, score, hits.c.created_at)
        .join_from(hits, weights, weights.c.word == hits.c.word)
        .group_by(hits.c.interaction_id, hits.c.created_at)
        .order_by(score.desc(), hits.c.created_at.desc(), hits.c.interaction_id.desc())
        .limit(bindparam("limit", type_=Integer))
    )
