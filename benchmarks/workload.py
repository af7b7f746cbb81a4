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
    "helmet mattress notebook freezer ladder violin scooter charger jacket carpet telescope mirror drill toaster stove "
    "router headphones monitor speaker tablet bookshelf wardrobe armchair heater fan blender grinder juicer microwave "
    "dishwasher vacuum iron curtain pillow duvet rug vase candle clock watch bracelet necklace ring wallet suitcase "
    "trolley stroller crib puzzle kite football racket skateboard kayak paddle wetsuit goggles binoculars compass "
    "thermos lantern hammock grill shovel rake hose sprinkler hedge-trimmer chainsaw wrench screwdriver socket cable "
    "adapter microphone tripod projector scanner shredder stapler easel canvas paintbrush clarinet ukulele drum piano"
)
_COLOURS = _words("black white green orange purple silver yellow brown golden crimson turquoise grey pink beige")
_PLACES = _words(
    "Lisbon Oslo Nairobi Kyoto Montreal Valencia Tallinn Cusco Hobart Galway Porto Leipzig Tbilisi Quito Dakar Busan "
    "Naples Bergen Lyon Gdansk Riga Zagreb Seville Ghent Malmo Turin Graz Basel Cork Aarhus Split Izmir Haifa Tunis "
    "Accra Lagos Kampala Maputo Pune Hanoi Cebu Osaka Perth Dunedin Halifax Boise Tucson Merida Bogota Cordoba"
)
_PEOPLE = _words(
    "Marta Kofi Yuki Ingrid Rashid Elena Tomasz Amara Diego Noor Henrik Leila Pavel Chloe Samir Greta Bruno Ximena "
    "Anders Priya Mateo Zofia Tariq Hana Oskar Lucia Femi Astrid Joao Mina Viktor Salma Emil Rosa Kenji Freya Idris "
    "Petra Luis Signe Omar Daria Felix Nadia Arjun Vera"
)
_MATTERS = _words(
    "delivery refund warranty repair invoice deposit subscription return exchange discount installation assembly "
    "insurance upgrade reservation cancellation shipping packaging password account address battery colour size "
    "manual receipt payment voucher complaint replacement inspection appointment"
)
_MOMENTS = _words(
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday yesterday tonight tomorrow noon midnight Christmas Easter"
)

_SAID_BY_USERS = (
    "My {colour} {thing} arrived from {place} on {moment}, and {person} asked about the {matter} of order {number}.",
    "I talked to {person} in {place} about the {matter}; they promised a new {colour} {thing} by {moment}.",
    "Could you check the {matter} for order {number}? The {thing} for {person} should have been {colour}.",
    "{person} is moving to {place} on {moment} and wants to sell a {colour} {thing} without any {matter} trouble.",
    "Since {moment} the {thing} makes a strange noise, and nobody answers when I call about the {matter}.",
    "We loved {place}! {person} even bought a {thing} there, but carrying it home on {moment} was no fun at all.",
    "Is there a {thing} that is lighter than the {colour} one? {person} has a bad back and lives on the fourth floor.",
    "Please forget what I said about the {thing}: {person} found the {matter} papers in a drawer in {place}.",
    "My daughter starts school in {place} after {moment}, so we need the {thing} sooner than the {matter} allows.",
    "The code {number} is refused whenever I pay for the {thing}. What does the {matter} page want from me?",
)
_SAID_BY_AGENTS = (
    "I noted the {matter} of order {number}: the {colour} {thing} leaves {place} on {moment}, care of {person}.",
    "Thank you. For the {thing} the {matter} takes until {moment}; {person} in {place} will confirm order {number}.",
    "The {matter} is settled, {person} was told, and a {colour} {thing} waits in {place} from {moment} on.",
    "I am sorry about the noise. Switch the {thing} off and on again, and if it stays, {person} will come by {moment}.",
    "There are two models of the {thing}; the {colour} one is lighter and in stock in {place}.",
    "You can change the {matter} yourself under settings; the new one counts from {moment}.",
    "Order {number} was packed this morning. Would {person} rather fetch the {thing} in {place}?",
    "That code belongs to another {thing}. I have made a new one, {number}, which is good until {moment}.",
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
    cold_histories: int
    """How many users are searched for the first time."""
    cold_size: int
    """How many interactions each of them has."""
    stored: tuple[int, ...]
    """How many interactions others have stored while growth is measured."""
    rounds: int
    """How often the contenders take turns."""
    calls: int
    """Most calls of one contender in one turn."""
    seconds: float
    """Most time of one contender in one turn."""


FULL = Effort(
    history_sizes=(100, 1_000, 10_000, 100_000),
    cold_histories=7,
    cold_size=10_000,
    stored=(1_000, 10_000, 100_000, 1_000_000),
    rounds=6,
    calls=300,
    seconds=0.6,
)
QUICK = Effort(
    history_sizes=(100, 1_000),
    cold_histories=2,
    cold_size=200,
    stored=(100, 1_000),
    rounds=2,
    calls=8,
    seconds=0.1,
)


def callers_text(callers: int) -> str:
    """So many callers, in words."""
    return "1 caller" if callers == 1 else f"{callers} callers"


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
