"""Calls while things break: each at any server, each failure noted, and looks at what was acknowledged a moment ago."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.faults.ledger import Ledger
from tests.end_to_end.faults.publications import EVERYWHERE, Publication, as_found, as_published, has_text

BEARABLE = (
    reflexio.UnavailableError,
    reflexio.DeadlineExceededError,
    reflexio.ResourceExhaustedError,
    reflexio.CallCancelledError,
)
"""What calls may fail with while things break."""

_MODES = ("hybrid", "fts", "vector")


@dataclass
class Known:
    """An acknowledged publication of which nothing was deleted."""

    publication: Publication
    request_id: str | None
    interaction_ids: list[int] | None


class Caller:
    """Calls for one thread, which has a ledger of its own."""

    def __init__(self, ledger: Ledger, chance: Random, clients: Sequence[reflexio.ReflexioClient]) -> None:
        self._ledger = ledger
        self._chance = chance
        self._clients = clients

    def call(self, call: Callable[[reflexio.ReflexioClient], Any]) -> Any:
        """The answer to a call at any server; None where it failed as it may."""
        try:
            return call(self._chance.choice(self._clients))
        except reflexio.ReflexioError as error:
            self.failed(error)
        return None

    def failed(self, error: reflexio.ReflexioError) -> None:
        """Note what a call failed with."""
        self._ledger.note("failed", error=type(error).__name__)
        if not isinstance(error, BEARABLE):
            self.violation(f"unexpected {type(error).__name__}: {error}")

    def violation(self, text: str) -> None:
        """Note that a promise was broken."""
        self._ledger.note("violation", text=text)

    def look(self, known: Known) -> bool:
        """Read what was acknowledged a moment ago, anywhere. Returns whether an answer came."""
        publication = known.publication
        answer = self.call(lambda c: c.get_requests(session_id=publication.session_id, top_k=1000, include_images=True))
        if answer is None:
            return False
        found = [
            data
            for session in answer.sessions
            for data in session.requests
            if data.request.agent_version == publication.tag
        ]
        given = publication.interactions
        if len(found) != 1 or [
            as_found(interaction, one) for interaction, one in zip(found[0].interactions, given, strict=False)
        ] != [as_published(one) for one in given]:
            self.violation(f"{publication.tag}: not there once and whole right after its acknowledgement")
            return False
        known.request_id = found[0].request.request_id
        known.interaction_ids = [interaction.interaction_id for interaction in found[0].interactions]
        self._must_be_found(known)
        return True

    def must_not_be_found(self, known: Known, gone: Collection[int]) -> None:
        """Search for interactions that were deleted a moment ago, anywhere."""
        publication = known.publication
        self._must_not_return(gone, publication.user_id, publication.word, f"{publication.tag}: ")

    def must_be_erased(self, user_id: str, gone: Sequence[Known]) -> None:
        """List and search what a user had who was erased a moment ago, anywhere."""
        answer = self.call(lambda c: c.get_requests(user_id, top_k=1000))
        tags = {known.publication.tag for known in gone}
        listed = [data.request for session in answer.sessions for data in session.requests] if answer else []
        if left := sorted(tags & {request.agent_version for request in listed}):
            self.violation(f"{user_id} was erased, and a list returned {left}")
        ids = {interaction_id for known in gone for interaction_id in known.interaction_ids or ()}
        self._must_not_return(ids, user_id, EVERYWHERE, f"{user_id} was erased, and ")

    def _must_not_return(self, gone: Collection[int], user_id: str, query: str, whose: str) -> None:
        mode = self._chance.choice(_MODES)
        answer = self.call(lambda c: c.search_interactions(user_id=user_id, query=query, search_mode=mode, top_k=100))
        if answer is not None and not {hit.interaction_id for hit in answer.interactions}.isdisjoint(gone):
            self.violation(f"{whose}a {mode} search returned what was deleted")

    def _must_be_found(self, known: Known) -> None:
        publication = known.publication
        mode = self._chance.choice(_MODES)
        answer = self.call(
            lambda c: c.search_interactions(
                user_id=publication.user_id,
                session_id=publication.session_id,
                query=f"{publication.word} {publication.word}i0",
                search_mode=mode,
                top_k=1000,
            )
        )
        if answer is None or known.interaction_ids is None:
            return
        if mode != "fts" and (answer.not_yet_embedded_count or answer.set_aside_count):
            return
        pairs = zip(known.interaction_ids, publication.interactions, strict=True)
        wanted = {number for number, given in pairs if has_text(given)}
        if not wanted <= {hit.interaction_id for hit in answer.interactions}:
            self.violation(f"{publication.tag}: a {mode} search missed it right after its acknowledgement")
