"""Afterwards: what must be there is, whole and once; what must not be there is not; every search agrees."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.faults.ledger import Fate
from tests.end_to_end.faults.publications import (
    EVERYWHERE,
    SOURCES,
    Publication,
    as_found,
    as_published,
    has_text,
)
from tests.end_to_end.faults.records import is_too_old, record_of
from tests.end_to_end.stand.poison import POISON

_SAMPLES = 12
_PAGE = 1000


@dataclass
class Findings:
    """What was found wrong, by kind, with the first examples in words."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    _noted: set[str] = field(default_factory=set)

    def note(self, kind: str, text: str) -> None:
        """Count it, once however many servers show it."""
        if f"{kind}: {text}" in self._noted:
            return
        self._noted.add(f"{kind}: {text}")
        self.counts[kind] += 1
        if self.counts[kind] <= 5:
            self.examples.append(f"{kind}: {text}")


@dataclass(frozen=True)
class Survivor:
    """An interaction that is there."""

    interaction_id: int
    publication: Publication
    given: dict[str, Any]


def compare_with_listing(client: reflexio.ReflexioClient, fates: dict[str, Fate], findings: Findings) -> list[Survivor]:
    """Compare what a server lists with what was acknowledged. Returns all interactions that it lists."""
    found: dict[str, list[Any]] = {}
    users = {Publication(tag).user_id for tag in fates}
    for user_id in sorted(users):
        answer = client.get_requests(user_id, top_k=100_000, include_images=True)
        for session in answer.sessions:
            for data in session.requests:
                found.setdefault(data.request.agent_version, []).append(data)
    for tag in found.keys() - fates.keys():
        findings.note("unknown", f"{tag} is stored though nobody published it")
    survivors: list[Survivor] = []
    for tag, fate in fates.items():
        survivors += _compare(Publication(tag), fate, found.get(tag, []), findings)
    return survivors


def _compare(publication: Publication, fate: Fate, found: Sequence[Any], findings: Findings) -> Iterator[Survivor]:
    tag = publication.tag
    if len(fate.answers) > 1:
        findings.note("two answers", f"{tag} was acknowledged as {sorted(fate.answers)}")
    if len(found) > 1:
        findings.note("duplicated", f"{tag} is stored {len(found)} times")
    if found:
        if fate.deletion == "acknowledged":
            findings.note("resurrected", f"{tag} was deleted as a request or session, or was too old")
        if is_too_old(publication):
            findings.note("resurrected", f"{tag} was imported and too old")
        yield from _compare_interactions(publication, fate, found[0], findings)
    elif fate.acknowledged and not fate.deletion and not is_too_old(publication):
        findings.note("lost", tag)


def _compare_interactions(publication: Publication, fate: Fate, data: Any, findings: Findings) -> Iterator[Survivor]:
    tag = publication.tag
    places = _places(publication, data.interactions)
    if places is None:
        findings.note("torn", f"{tag} has {[i.content[:40] for i in data.interactions]}")
        return
    for place in places:
        if fate.interaction_deletions.get(place) == "acknowledged":
            findings.note("resurrected", f"{tag}, interaction {place}")
    gone = set(range(len(publication.interactions))) - set(places)
    if gone - fate.interaction_deletions.keys():
        findings.note("torn", f"{tag} has only the interactions {places}")
    if fate.answers:
        request_id, ids = next(iter(fate.answers))
        listed = [interaction.interaction_id for interaction in data.interactions]
        if data.request.request_id != request_id or listed != [ids[place] for place in places]:
            findings.note("two answers", f"{tag} was acknowledged as {request_id}, {ids}, and is stored otherwise")
    for place, interaction in zip(places, data.interactions, strict=True):
        yield Survivor(interaction.interaction_id, publication, publication.interactions[place])


def _places(publication: Publication, found: Sequence[Any]) -> list[int] | None:
    """Which of the given interactions these are, in order; None where one of them is not whole or not in order."""
    places: list[int] = []
    for interaction in found:
        for place in range(places[-1] + 1 if places else 0, len(publication.interactions)):
            given = publication.interactions[place]
            if as_found(interaction, given) == as_published(given):
                places.append(place)
                break
        else:
            return None
    return places


def compare_with_export(client: reflexio.ReflexioClient, fates: dict[str, Fate], findings: Findings) -> None:
    """Of what was imported, an export has the very ids and times."""
    for stored in client.export_data(include_images=False):
        publication = Publication(stored["agent_version"])
        if publication.tag not in fates or not publication.is_imported:
            continue
        imported = record_of(publication)
        if _ids_and_times(stored) != _ids_and_times(imported):
            told = f"as {_ids_and_times(imported)} and is stored as {_ids_and_times(stored)}"
            findings.note("imported otherwise", f"{publication.tag} was imported {told}")


def _ids_and_times(record: dict[str, Any]) -> tuple[Any, ...]:
    interactions = [(one["interaction_id"], one["created_at"]) for one in record["interactions"]]
    return record["request_id"], record["created_at"], interactions


def compare_searches(
    client: reflexio.ReflexioClient,
    survivors: Collection[Survivor],
    users: Collection[str],
    chance: Random,
    findings: Findings,
) -> None:
    """Compare what searches find with what is there: everything of each user, and single ones by their own words."""
    for user_id in sorted(users):
        for source in SOURCES:
            there = [
                s
                for s in survivors
                if s.publication.user_id == user_id and s.publication.source == source and has_text(s.given)
            ]
            for mode in ("fts", "vector", "hybrid"):
                _compare_all(client, user_id, source, mode, there, findings)
    texts = [
        s for s in survivors if has_text(s.given) and len(s.given["content"]) < 1000 and not s.publication.is_poisoned
    ]
    for survivor in chance.sample(texts, min(_SAMPLES, len(texts))):
        for mode in ("fts", "vector", "hybrid"):
            hits = client.search_interactions(
                user_id=survivor.publication.user_id, query=survivor.given["content"], search_mode=mode, top_k=5
            ).interactions
            if survivor.interaction_id not in [hit.interaction_id for hit in hits]:
                findings.note("not found", f"{survivor.publication.tag} by {mode}, by its own words")


def _compare_all(
    client: reflexio.ReflexioClient,
    user_id: str,
    source: str,
    mode: str,
    there: Sequence[Survivor],
    findings: Findings,
) -> None:
    assert len(there) < _PAGE, "too many for one answer: publish for more users, or less"
    answer = client.search_interactions(user_id=user_id, query=EVERYWHERE, source=source, search_mode=mode, top_k=_PAGE)
    got = [hit.interaction_id for hit in answer.interactions]
    wanted = {s.interaction_id for s in there if mode != "vector" or not _fails(s)}
    where = f"{mode} search of {user_id}, {source}"
    if len(got) != len(set(got)):
        findings.note("duplicated", f"{where} returns one twice")
    for missing in wanted - set(got):
        findings.note("not found", f"{where} misses {missing}")
    # The real model embeds also what the deterministic one fails on.
    for extra in set(got) - {s.interaction_id for s in there}:
        findings.note("resurrected", f"{where} returns {extra}, which no list has")


def _fails(survivor: Survivor) -> bool:
    return POISON in survivor.given["content"]
