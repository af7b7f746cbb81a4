"""The words of texts, as Postgres's text search sees them: stemmed, without those that say nothing.

Postgres splits and stems, by a configuration that the operator chooses. What is searched is in memory (`index`), where
a word is the first 32 bits of the SHA-256 of its stem.
"""

import re
import string
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import text

from reflexio_server.store.database import Database

_BLANKS = str.maketrans(dict.fromkeys(string.punctuation, " "))

_MOST_BYTES = 400_000
"""A `tsvector` holds 1 MiB; a hundred thousand words of three letters, all different, need 800 KB of it."""

# Without the lookbehind and the possessive quantifiers a long word would be looked through once for each letter.
_COMPOUND = re.compile(r"(?<![^\W_])[^\W_]++(?:(?:_|[^\w\s])[^\W_]++)++")
_SEPARATORS = re.compile(r"[\W_]+")

_LONGEST_IDENTIFIER = 40
_MOST_IDENTIFIERS = 2000
"""Of a text the first so many: what they add to a `tsvector` is bounded too."""

_MOST_PARTS = 3
"""So many neighbouring words of a query may be one identifier."""

_CONFIGS = text("select cfgname from pg_ts_config where pg_ts_config_is_visible(oid) order by cfgname")

_MOST_WORDS = 64
"""Of a longer query the first so many distinct words count."""

_HASH = "substring(sha256(convert_to(w.lexeme, 'UTF8')) for 4)"


def hashed_query(query: str) -> str:
    """An expression: for each word of a query its hash and, in two bytes, 1 where it has a digit and else 0.

    Args:
        query: The name of the parameter that has the query.
    """
    return f"""(
        select string_agg({_HASH} || int2send((w.lexeme ~ '[0-9]')::int::smallint), '') from (
            select lexeme from unnest(to_tsvector(cast(:config as regconfig), {query}))
            order by positions[1] limit {_MOST_WORDS}) as w
    )"""  # noqa: S608 -- what is put in are constants.


def any_word(*queries: str) -> str:
    """An expression: a `tsquery` for what has any of the words of queries; null where there are none.

    Args:
        queries: The names of the parameters that have them.
    """
    words = " union all ".join(f"select unnest(to_tsvector(cast(:config as regconfig), {query}))" for query in queries)
    quoted = "quote_literal(translate((w.word).lexeme, E'\\\\', ' '))"
    return f"(select string_agg({quoted}, ' | ')::tsquery from ({words}) as w (word))"  # noqa: S608 -- as above.


def hashed_words(lexemes: str) -> str:
    """An expression: the hashes of the words of a text, one after the other, each as often as it occurs.

    Args:
        lexemes: An expression that gives a `tsvector`.
    """
    return f"(select string_agg({_HASH}, '') from unnest({lexemes}) as w cross join lateral unnest(w.positions))"  # noqa: S608 -- as above.


def plain_words(text: str) -> str:
    """`text` with blanks for punctuation: what is given to Postgres's parser, of interactions as of queries.

    With it the parser would look for addresses, tags and compounds. On "a_a_a…" or "x1@x1@…" that takes time that
    grows with the square of the length, minutes for what a publish may hold; and each compound is stored once more
    in full, which may exceed the size of a `tsvector`. For the same reason the end of a very long text is left out.
    """
    if len(text) > _MOST_BYTES // 4:
        text = text.encode()[:_MOST_BYTES].decode(errors="ignore")
    return text.translate(_BLANKS)


def document_words(text: str) -> str:
    """What is indexed of an interaction: its words, and its identifiers also in one piece.

    "KP-2801" is written "kp 2801" and "kp2801" by those who ask for it.
    """
    words = plain_words(text)
    joined = islice(_identifiers(text[: len(words)]), _MOST_IDENTIFIERS)
    return " ".join([words, *joined])


def other_spellings(query: str) -> str:
    """The identifiers of a query in one piece, and neighbouring words that may be one."""
    words = plain_words(query).split()[:_MOST_WORDS]
    runs = (
        "".join(words[place : place + length])
        for length in range(2, _MOST_PARTS + 1)
        for place in range(len(words) - length + 1)
    )
    return " ".join(dict.fromkeys([*_identifiers(query), *(run for run in runs if _is_identifier(run))]))


def _identifiers(text: str) -> Iterator[str]:
    """What has a digit and is held together by punctuation, without that."""
    for match in _COMPOUND.finditer(text):
        # There is one letter at least between any two marks.
        if match.end() - match.start() >= 2 * _LONGEST_IDENTIFIER:
            continue
        joined = _SEPARATORS.sub("", match.group())
        if _is_identifier(joined):
            yield joined


def _is_identifier(joined: str) -> bool:
    return len(joined) <= _LONGEST_IDENTIFIER and any(map(str.isdigit, joined))


class UnknownTextSearchConfig(ValueError):
    """The database has no text search configuration of this name; the message lists those that it has."""


async def require_config(database: Database, name: str) -> None:
    """Make sure that there is a text search configuration `name`.

    Raises:
        UnknownTextSearchConfig: There is none.
        DatabaseUnavailable: Postgres cannot be reached.
    """
    async with database.autocommit(None) as connection:
        names = list(await connection.scalars(_CONFIGS))
    if name not in names:
        message = f"the database has no text search configuration {name!r}; it has {', '.join(names)}"
        raise UnknownTextSearchConfig(message)
