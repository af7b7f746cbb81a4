"""Reading a question: which roles it asks about, and which days. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from reflexio_server.domain.interaction import DEFAULT_ROLE
from reflexio_server.search.dates import Span, spans_in

_MOST_WORDS_OF_ROLE = 4
_MOST_ROLES = 1000
"""Of more the roles are no speakers but something of the application's own, and reading them takes long."""

_MOST_SPANS = 100
"""What a question names beyond is none that a person asked, and each takes time in ranking."""

_WORD = re.compile(r"\w+")

_POSSESSIVE = ("'s", "\N{RIGHT SINGLE QUOTATION MARK}s")

_ARTICLE = re.compile(r"\bthe\s+$", re.IGNORECASE)

_ASKS_FOR_ONESELF = re.compile(
    r"\b(?:did|have|had) I (?:\w+ly )?(?:ask|bring|call|complain|describe|explain|give|list|mention|name|note|point|"
    r"report|request|said|say|send|share|suggest|talk|tell|told|want|write|wrote)"
    r"|\bI (?:asked|mentioned|said|told|wrote)\b",
    re.IGNORECASE,
)

_COMMON_NOUNS = {"agent", "ai", "assistant", "bot", "customer", "human", "model", "support", "system", "tool", "user"}
_BEFORE_SPEAKER = re.compile(
    r"\b(?:the|my|your|our|by|from|did|does|do|has|have|had|was|is|will|would|can|could|should)\s+$", re.IGNORECASE
)
"""What makes a common noun a speaker: "what did the agent say", but not "agent framework"."""

_ALIKE = ({"agent", "ai", "assistant", "bot"}, {"customer", "user"})
"""Whoever asks for one of these means the others too, where nobody is called that."""

_REACH = 24
"""So many characters before a common noun are looked at: with all of them, a text of many would take very long."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question asks about, beside its words."""

    roles: tuple[str, ...]
    """Those of the roles that were given whose names it has, in the order of the names."""
    spans: tuple[Span, ...]
    """The days that it names."""
    first_person: str
    """The question with "I" and "my" in the place of the roles.

    Who speaks seldom says their own name. In a question in the third person the name would draw a small model to
    whatever is said *to* them.
    """


NOTHING_READ = Reading((), (), "")
"""Of a question that is empty."""


def read(text: str, roles: Collection[str], now: int) -> Reading:
    """Read a question.

    Args:
        text: Plain language.
        roles: The roles that occur in what is searched.
        now: Nanoseconds since the epoch: what "yesterday" refers to.
    """
    named, first_person = _roles_in(text, roles if len(roles) <= _MOST_ROLES else ())
    spans = dict.fromkeys(islice(spans_in(text, now), _MOST_SPANS))
    return Reading(tuple(sorted(named)), tuple(spans), first_person)


def _roles_in(text: str, roles: Collection[str]) -> tuple[set[str], str]:
    """The roles that a question names, and the question with "I" and "my" in their places."""
    by_words: dict[tuple[str, ...], list[str]] = {}
    for role in roles:
        words = tuple(_WORD.findall(role.casefold()))
        if 0 < len(words) <= _MOST_WORDS_OF_ROLE:
            by_words.setdefault(words, []).append(role)
    for names in _ALIKE:
        there = [role for name in names for role in by_words.get((name,), ())]
        for name in names if there else ():
            by_words.setdefault((name,), there)
    # Whoever asks what they said themselves asks for the user.
    named = {DEFAULT_ROLE}.intersection(roles) if _ASKS_FOR_ONESELF.search(text) else set()
    said: list[str] = []
    found = list(_WORD.finditer(text))
    end = place = 0
    while place < len(found):
        length = _length_of_role(found[place : place + _MOST_WORDS_OF_ROLE], by_words)
        if not length or not _is_speaker(text, found[place], length):
            place += 1
            continue
        first, last = found[place], found[place + length - 1]
        named.update(by_words[tuple(word.group().casefold() for word in found[place : place + length])])
        said.append(_ARTICLE.sub("", text[end : first.start()]))
        is_possessive = text.startswith(_POSSESSIVE, last.end())
        said.append("my" if is_possessive else "I")
        end = last.end() + (len(_POSSESSIVE[0]) if is_possessive else 0)
        place += length
    return named, "".join([*said, text[end:]])


def _length_of_role(words: list[re.Match[str]], by_words: dict[tuple[str, ...], list[str]]) -> int:
    """How many of the first words are the name of a role, the longest name there is; 0 where none is."""
    following = [word.group().casefold() for word in words]
    return next((n for n in range(len(following), 0, -1) if tuple(following[:n]) in by_words), 0)


def _is_speaker(text: str, first: re.Match[str], length: int) -> bool:
    if length > 1 or first.group().casefold() not in _COMMON_NOUNS:
        return True
    return _BEFORE_SPEAKER.search(text[max(0, first.start() - _REACH) : first.start()]) is not None
