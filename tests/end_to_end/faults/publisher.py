"""A process that publishes and deletes from several threads, through the public client, and keeps ledgers.

It gets its orders as one JSON object on standard input, and ends when standard input does.
"""

import json
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.faults.ledger import Ledger
from tests.end_to_end.faults.publications import Publication, as_found, as_published, has_text

BEARABLE = (
    reflexio.UnavailableError,
    reflexio.DeadlineExceededError,
    reflexio.ResourceExhaustedError,
    reflexio.CallCancelledError,
)
"""What calls may fail with while things break."""

_PER_SESSION = 3


@dataclass
class Known:
    """An acknowledged publication of which nothing was deleted."""

    publication: Publication
    request_id: str | None
    interaction_ids: list[int] | None


class Publisher:
    """What one thread does: one call after another, each noted before and after."""

    def __init__(self, orders: dict[str, Any], number: int, clients: list[Any], stop: threading.Event) -> None:
        self._name = f"{orders['prefix']}t{number}"
        self._folder = Path(orders["folder"])
        self._ledger = Ledger(self._folder / f"{self._name}.jsonl")
        self._chance = Random(f"{orders['seed']} {self._name}")
        self._clients = clients
        self._stop_asked = stop
        self._most = orders["most_publishes"]
        self._pause = orders["pause_seconds"]
        self._session = 0
        self._number = 0
        self._known: list[Known] = []
        self._in_session: list[Known] = []
        self._handed_over = False

    def run(self) -> None:
        """Go on until asked to stop."""
        try:
            while not self._stop_asked.is_set() and self._number < self._most:
                self._one()
                self._stop_asked.wait(self._chance.uniform(0, self._pause))
        except Exception:  # noqa: BLE001 -- a client that raises anything else has broken its promise.
            self._violation(traceback.format_exc())
        self._ledger.close()

    def _one(self) -> None:
        kind = self._chance.random()
        if kind < 0.1:
            self._repeat_for_another()
        elif kind < 0.25 and self._known:
            self._delete()
        else:
            self._publish_new()

    def _publish_new(self) -> None:
        publication = Publication(f"{self._name}.s{self._session}.n{self._number}")
        self._number += 1
        known = None
        for _ in range(self._chance.randint(1, 3) if publication.key else 1):
            known = self._publish(publication)
            if known is not None:
                break
        if known is None and publication.key:
            self._hand_over(publication)
        if known is not None:
            if publication.key and self._chance.random() < 0.2:
                self._publish(publication)
            if self._chance.random() < 0.3:
                self._look(known)
            self._known.append(known)
            self._in_session.append(known)
        if self._number % _PER_SESSION == 0:
            self._end_session()

    def _publish(self, publication: Publication) -> Known | None:
        self._ledger.note("publish", tag=publication.tag)
        wait = not publication.is_poisoned and self._chance.random() < 0.4
        answer = self._call(lambda c: c.publish_interaction(**publication.arguments, wait_for_response=wait))
        if answer is None:
            return None
        self._ledger.note(
            "acknowledged", tag=publication.tag, request_id=answer.request_id, interaction_ids=answer.interaction_ids
        )
        return Known(publication, answer.request_id, answer.interaction_ids)

    def _end_session(self) -> None:
        """Go on with another session, and perhaps delete this one.

        What is deleted is never published into again: an attempt that seemed to fail may still be on its way.
        """
        session_id = f"{self._name}.s{self._session}"
        # A publication that others repeat may be acknowledged later, though it was deleted here.
        if self._in_session and not self._handed_over and self._chance.random() < 0.15:
            self._deleted(
                "session",
                self._in_session,
                lambda client, wait: client.delete_session(session_id, wait_for_response=wait),
            )
        self._session += 1
        self._in_session = []
        self._handed_over = False

    def _delete(self) -> None:
        known = self._chance.choice(self._known)
        if known.request_id is None and not self._look(known):
            return
        request_id, ids = known.request_id, known.interaction_ids
        assert request_id is not None
        assert ids is not None
        if self._chance.random() < 0.5:
            self._deleted("request", [known], lambda c, wait: c.delete_request(request_id, wait_for_response=wait))
            if known.publication.key and self._chance.random() < 0.5:
                # A late repetition must not bring back what was deleted.
                self._publish(known.publication)
            return
        position = self._chance.randrange(len(ids))
        self._deleted(
            "interaction",
            [known],
            lambda c, wait: c.delete_interaction(known.publication.user_id, ids[position], wait_for_response=wait),
            position,
        )

    def _deleted(
        self, what: str, gone: list[Known], delete: Callable[[Any, bool], Any], position: int | None = None
    ) -> None:
        tags = [known.publication.tag for known in gone]
        self._known = [known for known in self._known if known not in gone]
        wait = self._chance.random() < 0.5
        self._ledger.note("delete", what=what, tags=tags, position=position)
        if self._call(lambda client: delete(client, wait)) is None:
            return
        self._ledger.note("deleted", what=what, tags=tags, position=position)
        known = self._chance.choice(gone)
        if known.interaction_ids is not None:
            ids = known.interaction_ids if position is None else [known.interaction_ids[position]]
            self._must_not_be_found(known, set(ids))

    def _must_not_be_found(self, known: Known, gone: set[int]) -> None:
        publication = known.publication
        mode = self._chance.choice(("hybrid", "fts", "vector"))
        answer = self._call(
            lambda c: c.search_interactions(
                user_id=publication.user_id, query=publication.word, search_mode=mode, top_k=100
            )
        )
        if answer is not None and gone & {hit.interaction_id for hit in answer.interactions}:
            self._violation(f"{publication.tag}: a {mode} search returned what was deleted")

    def _look(self, known: Known) -> bool:
        """Read what was acknowledged a moment ago, anywhere. Returns whether an answer came."""
        publication = known.publication
        answer = self._call(
            lambda c: c.get_requests(session_id=publication.session_id, top_k=1000, include_images=True)
        )
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
            self._violation(f"{publication.tag}: not there once and whole right after its acknowledgement")
            return False
        known.request_id = found[0].request.request_id
        known.interaction_ids = [interaction.interaction_id for interaction in found[0].interactions]
        self._must_be_found(known)
        return True

    def _must_be_found(self, known: Known) -> None:
        publication = known.publication
        mode = self._chance.choice(("hybrid", "fts", "vector"))
        answer = self._call(
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
            self._violation(f"{publication.tag}: a {mode} search missed it right after its acknowledgement")

    def _hand_over(self, publication: Publication) -> None:
        """Leave it to any thread of any process to repeat this publication under its key."""
        self._handed_over = True
        (self._folder / "owed" / publication.tag).touch()

    def _repeat_for_another(self) -> None:
        for owed in list((self._folder / "owed").iterdir()):
            mine = self._folder / "claimed" / owed.name
            try:
                owed.rename(mine)
            except FileNotFoundError:
                continue
            if self._publish(Publication(owed.name)) is None:
                mine.rename(owed)
            return

    def _call(self, call: Callable[[Any], Any]) -> Any:
        """The answer to a call at any server; None where it failed as it may."""
        try:
            return call(self._chance.choice(self._clients))
        except BEARABLE as error:
            self._ledger.note("failed", error=type(error).__name__)
        except reflexio.ReflexioError as error:
            self._ledger.note("failed", error=type(error).__name__)
            self._violation(f"unexpected {type(error).__name__}: {error}")
        return None

    def _violation(self, text: str) -> None:
        self._ledger.note("violation", text=text)


def main() -> None:
    """Run the threads until standard input ends."""
    orders = json.loads(sys.stdin.readline())
    stop = threading.Event()
    clients = [
        reflexio.ReflexioClient(url_endpoint=endpoint, timeout=orders["timeout_seconds"])
        for endpoint in orders["endpoints"]
    ]
    publishers = [Publisher(orders, number, clients, stop) for number in range(orders["threads"])]
    threads = [threading.Thread(target=publisher.run) for publisher in publishers]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()


if __name__ == "__main__":
    main()
