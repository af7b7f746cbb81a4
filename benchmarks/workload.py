"""What is published and searched, and how much of it: sentences made here, the same in every run."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_THINGS = _words(
    "bicycle kettle passport guitar umbrella laptop sofa blanket camera tent keyboard lamp backpack printer teapot "
    "helmet mattress notebook freezer ladder violin scooter charger jacket carpet telescope mirror drill toaster stove"
)
_COLOURS = _words("black white green orange purple silver yellow brown golden crimson turquoise grey pink beige")
_PLACES = _words(
    "Lisbon Oslo Nairobi Kyoto Montreal Valencia Tallinn Cusco Hobart Galway Porto Leipzig Tbilisi Quito Dakar Busan "
    "Naples Bergen Lyon Gdansk"
)
_PEOPLE = _words("Marta Kofi Yuki Ingrid Rashid Elena Tomasz Amara Diego Noor Henrik Leila Pavel Chloe Samir Greta")
_MATTERS = _words(
    "delivery refund warranty repair invoice deposit subscription return exchange discount installation assembly "
    "insurance upgrade reservation cancellation shipping packaging"
)
_MOMENTS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday yesterday tonight tomorrow")

_SAID_BY_USERS = (
    "My {colour} {thing} arrived from {place} on {moment}, and {person} asked about the {matter} of order {number}.",
    "I talked to {person} in {place} about the {matter}; they promised a new {colour} {thing} by {moment}.",
    "Could you check the {matter} for order {number}? The {thing} for {person} should have been {colour}.",
    "{person} is moving to {place} on {moment} and wants to sell a {colour} {thing} without any {matter} trouble.",
)
_SAID_BY_AGENTS = (
    "I noted the {matter} of order {number}: the {colour} {thing} leaves {place} on {moment}, care of {person}.",
    "Thank you. For the {thing} the {matter} takes until {moment}; {person} in {place} will confirm order {number}.",
    "The {matter} is settled, {person} was told, and a {colour} {thing} waits in {place} from {moment} on.",
)
_ASKED = (
    "What did {person} say about the {matter} of the {thing}?",
    "When does the {colour} {thing} arrive from {place}?",
    "Who wanted a {thing} in {place} on {moment}?",
    "Was there a problem with the {matter} for {person} in {place}?",
)


CALLERS = (1, 8)
"""How many call at the same time."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure."""

    history_sizes: tuple[int, ...]
    """How many interactions each of the searched users has."""
    rounds: int
    """How often the contenders take turns."""
    calls: int
    """Most calls of one contender in one turn."""
    seconds: float
    """Most time of one contender in one turn."""


FULL = Effort(history_sizes=(100, 1_000, 10_000), rounds=4, calls=150, seconds=0.6)
QUICK = Effort(history_sizes=(20, 200), rounds=2, calls=8, seconds=0.1)


def exchanges(seed: int) -> Iterator[list[dict[str, Any]]]:
    """Endless turns of a conversation: what a user said and what the agent answered, as the client takes them."""
    chance = Random(seed)
    while True:
        yield [
            {"role": "User", "content": _sentence(chance, _SAID_BY_USERS)},
            {"role": "Agent", "content": _sentence(chance, _SAID_BY_AGENTS)},
        ]


def questions(seed: int) -> Iterator[str]:
    """Endless questions, no two the same, that share some words with what was said."""
    chance = Random(seed)
    for number in count():
        yield f"{_sentence(chance, _ASKED)} ({seed}-{number})"


def _sentence(chance: Random, forms: tuple[str, ...]) -> str:
    return chance.choice(forms).format(
        colour=chance.choice(_COLOURS),
        thing=chance.choice(_THINGS),
        place=chance.choice(_PLACES),
        person=chance.choice(_PEOPLE),
        matter=chance.choice(_MATTERS),
        moment=chance.choice(_MOMENTS),
        number=chance.randrange(10_000, 100_000),
    )
