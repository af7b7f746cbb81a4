"""What a thread of a campaign does through the public client: publish, repeat, look, delete, erase, let time pass."""

import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.faults.ageing import make_too_old
from tests.end_to_end.faults.caller import Caller, Known
from tests.end_to_end.faults.ledger import Ledger
from tests.end_to_end.faults.publications import Publication, own_user

_PER_SESSION = 3


class Publisher:
    """What one thread does: one call after another, each noted before and after.

    Some of its sessions are of a user for whom no other thread publishes anything new, and whom it erases now and then.
    """

    def __init__(
        self, orders: dict[str, Any], number: int, clients: Sequence[reflexio.ReflexioClient], stop: threading.Event
    ) -> None:
        self._name = f"{orders['prefix']}t{number}"
        self._folder = Path(orders["folder"])
        self._ledger = Ledger(self._folder / f"{self._name}.jsonl")
        self._chance = Random(f"{orders['seed']} {self._name}")
        self._caller = Caller(self._ledger, self._chance, clients)
        self._stop_asked = stop
        self._most = orders["most_publishes"]
        self._pause = orders["pause_seconds"]
        self._postgres = orders["postgres"]
        self._number = 0
        self._sessions = 0
        self._users = 0
        self._known: list[Known] = []
        self._attempted: set[str] = set()
        """The tags of its own user that were ever sent."""
        self._acknowledged: dict[str, Known] = {}
        """Those of them that were acknowledged, by tag."""
        self._begin_session(of_own_user=False)

    def run(self) -> None:
        """Go on until asked to stop."""
        try:
            while not self._stop_asked.is_set() and self._number < self._most:
                self._one()
                self._stop_asked.wait(self._chance.uniform(0, self._pause))
        except Exception:  # noqa: BLE001 -- a client that raises anything else has broken its promise.
            self._caller.violation(traceback.format_exc())
        self._ledger.close()

    def _one(self) -> None:
        if self._published_in_session >= _PER_SESSION:
            self._end_session()
        kind = self._chance.random()
        if kind < 0.1:
            self._repeat_for_another()
        elif kind < 0.24 and self._known:
            self._delete()
        elif kind < 0.3:
            self._begin_session(of_own_user=True)
            # What was acknowledged a moment ago has texts that wait for being embedded, or are being.
            self._publish_streamed()
            self._erase()
        elif kind < 0.42:
            self._publish_streamed()
        elif kind < 0.52 and self._known:
            self._let_age()
        else:
            self._publish_new()

    def _next(self) -> Publication:
        self._published_in_session += 1
        self._number += 1
        return Publication(f"{self._session}.n{self._number}")

    def _publish_new(self) -> None:
        publication = self._next()
        known = None
        for _ in range(self._chance.randint(1, 3) if publication.key else 1):
            known = self._publish(publication)
            if known is not None:
                break
        if known is None:
            self._hand_over(publication)
            return
        if publication.key and self._chance.random() < 0.2:
            self._publish(publication)
        self._keep(known)

    def _publish_streamed(self) -> None:
        publications = [self._next() for _ in range(self._chance.randint(2, 5))]
        arguments = []
        for publication in publications:
            self._attempt(publication)
            wait = not publication.is_poisoned and self._chance.random() < 0.2
            arguments.append({**publication.arguments, "wait_for_response": wait})
        owed = list(publications)

        def stream(client: reflexio.ReflexioClient) -> None:
            for publication, answer in zip(publications, client.publish_interactions(arguments), strict=True):
                if isinstance(answer, reflexio.ReflexioError):
                    self._caller.failed(answer)
                    continue
                owed.remove(publication)
                # With others of the stream under way.
                self._keep(self._answered(publication, answer))

        self._caller.call(stream)
        for publication in owed:
            self._hand_over(publication)

    def _publish(self, publication: Publication) -> Known | None:
        self._attempt(publication)
        wait = not publication.is_poisoned and self._chance.random() < 0.4
        answer = self._caller.call(
            lambda c: c.publish_interaction(**publication.arguments, wait_for_response=wait),
        )
        return self._answered(publication, answer) if answer is not None else None

    def _attempt(self, publication: Publication) -> None:
        self._ledger.note("publish", tag=publication.tag)
        if publication.user_id == self._own_user:
            self._attempted.add(publication.tag)

    def _answered(self, publication: Publication, answer: reflexio.models.PublishUserInteractionResponse) -> Known:
        self._ledger.note(
            "acknowledged", tag=publication.tag, request_id=answer.request_id, interaction_ids=answer.interaction_ids
        )
        known = Known(publication, answer.request_id, answer.interaction_ids)
        if publication.user_id == self._own_user:
            self._acknowledged.setdefault(publication.tag, known)
        return known

    def _keep(self, known: Known) -> None:
        if self._chance.random() < 0.3:
            self._caller.look(known)
        self._known.append(known)
        self._in_session.append(known)

    def _begin_session(self, *, of_own_user: bool) -> None:
        kind = f"u{self._users}" if of_own_user else ""
        self._session = f"{self._name}.{kind}s{self._sessions}"
        self._sessions += 1
        self._published_in_session = 0
        self._in_session: list[Known] = []
        self._handed_over = False

    def _end_session(self) -> None:
        """Go on with another session, and perhaps delete this one.

        What is deleted is never published into again: an attempt that seemed to fail may still be on its way.
        """
        session_id = self._session
        # A publication that others repeat may be acknowledged later, though it was deleted here.
        if self._in_session and not self._handed_over and self._chance.random() < 0.15:
            self._deleted(
                "session",
                self._in_session,
                lambda client, wait: client.delete_session(session_id, wait_for_response=wait),
            )
        self._begin_session(of_own_user=self._chance.random() < 0.3)

    def _delete(self) -> None:
        known = self._chance.choice(self._known)
        if known.request_id is None and not self._caller.look(known):
            return
        request_id, ids = known.request_id, known.interaction_ids
        assert request_id is not None
        assert ids is not None
        kind = self._chance.random()
        if kind < 0.4:
            self._deleted("request", [known], lambda c, wait: c.delete_request(request_id, wait_for_response=wait))
            if known.publication.key and self._chance.random() < 0.5:
                # A late repetition must not bring back what was deleted.
                self._publish(known.publication)
        elif kind < 0.6:
            told = [one for one in self._known if one.request_id is not None]
            several = self._chance.sample(told, min(len(told), self._chance.randint(2, 5)))
            named = [one.request_id for one in several if one.request_id is not None]
            self._deleted("requests", several, lambda c, _: c.delete_requests_by_ids(named))
        else:
            position = self._chance.randrange(len(ids))
            self._deleted(
                "interaction",
                [known],
                lambda c, wait: c.delete_interaction(known.publication.user_id, ids[position], wait_for_response=wait),
                position,
            )

    def _let_age(self) -> None:
        """Have something reach the age limit, which has to take it away though it is in use."""
        # The texts of the latest may wait for being embedded, or are being.
        known = self._chance.choice(self._known[-5:])
        publication = known.publication
        self._known.remove(known)
        self._ledger.note("age", tag=publication.tag)
        count = make_too_old(self._postgres, publication)
        if count is None:
            return
        self._ledger.note("aged", tag=publication.tag)
        if count != 1:
            self._caller.violation(f"{publication.tag}: there {count} times when it became too old")
        if publication.key and self._chance.random() < 0.5:
            # Before it goes or after: a repetition must not bring it back.
            self._publish(publication)

    def _deleted(
        self, what: str, gone: list[Known], delete: Callable[[Any, bool], Any], position: int | None = None
    ) -> None:
        tags = [known.publication.tag for known in gone]
        self._known = [known for known in self._known if known not in gone]
        wait = self._chance.random() < 0.5
        self._ledger.note("delete", what=what, tags=tags, position=position)
        if self._caller.call(lambda client: delete(client, wait)) is None:
            return
        self._ledger.note("deleted", what=what, tags=tags, position=position)
        known = self._chance.choice(gone)
        if known.interaction_ids is not None:
            ids = known.interaction_ids if position is None else [known.interaction_ids[position]]
            self._caller.must_not_be_found(known, set(ids))

    @property
    def _own_user(self) -> str:
        return own_user(self._name, self._users)

    def _erase(self) -> None:
        """Erase its own user: what was acknowledged must go, what was only attempted may, or may come later."""
        user_id = self._own_user
        gone = list(self._acknowledged.values())
        self._known = [known for known in self._known if known.publication.user_id != user_id]
        self._ledger.note("delete", what="user", tags=sorted(self._attempted), position=None)
        erased = self._caller.call(lambda client: client.erase_user(user_id))
        if erased is not None:
            tags = [known.publication.tag for known in gone]
            self._ledger.note("deleted", what="user", tags=tags, position=None, user_id=user_id)
            self._caller.must_be_erased(user_id, gone)
        # An erasure that seemed to fail may still be on its way: nothing is published for that user any more.
        if erased is None or self._chance.random() < 0.5:
            self._users += 1
        self._attempted = set()
        self._acknowledged = {}
        self._begin_session(of_own_user=self._chance.random() < 0.3)

    def _hand_over(self, publication: Publication) -> None:
        """Leave it to any thread of any process to repeat this publication under its key, if it has one."""
        if publication.key:
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
