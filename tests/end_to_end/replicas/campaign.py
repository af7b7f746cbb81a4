"""Random calls to several replicas, each followed by a comparison of all of them with the truth."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.replicas.organisation import WORDS, Organisation
from tests.end_to_end.replicas.truth import Said
from tests.end_to_end.stand.server_process import ServerProcess

_ROLES = ("User", "Agent")
_SOURCES = ("web", "phone")
_PAST = 1_700_000_000
_KINDS = Counter(
    {
        "publish": 10,
        "streamed publish": 3,
        "interaction": 2,
        "request": 1,
        "several requests": 1,
        "session": 1,
        "user": 2,
        "everything": 1,
    }
)
"""What a step does, by how often it is chosen. All but the publishes delete what they name."""


@dataclass
class Campaign:
    """Organisations that have the names of their users and sessions in common, on replicas that they share."""

    servers: Sequence[ServerProcess]
    chance: Random
    api_keys: Sequence[str] = ("",)
    """An administrator's of each organisation; a single empty one where the replicas ask for none."""
    name: str = "user"
    """Leads the names of users and sessions."""
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        targets = [server.target for server in self.servers]
        users = [f"{self.name}-{number}" for number in range(2)]
        self.organisations = [Organisation(targets, key, users, self.chance, self.counts) for key in self.api_keys]
        self.pinned = self.organisations[0].pinned
        self.spread = self.organisations[0].spread

    def close(self) -> None:
        """Close all clients."""
        for organisation in self.organisations:
            organisation.close()

    def run(self, steps: int, *, restarts: bool) -> None:
        """Take so many steps, some of which restart a server."""
        kinds = [*_KINDS.elements(), *["restart"] * restarts]
        for _ in range(steps):
            kind = self.chance.choice(kinds)
            self.step(kind)

    def step(self, kind: str) -> None:
        """Do this in one organisation, and compare at every replica what it has, and at one what the others have."""
        self.counts[kind] += 1
        self.counts["steps"] += 1
        concerned = self.chance.choice(self.organisations)
        client = concerned.any_client()
        if kind == "restart":
            self._restart()
        elif kind == "publish":
            self._publish(concerned, client)
        elif kind == "streamed publish":
            self._publish_streamed(concerned, client)
        elif kind == "everything":
            answer = client.delete_all_interactions()
            counts = answer.deleted_requests_count, answer.deleted_interactions_count
            concerned.take_away(concerned.truth.said, *counts)
        elif concerned.truth.said:
            self._delete(kind, concerned, client)
        for organisation in self.organisations:
            for asked in organisation.clients if organisation is concerned else [organisation.any_client()]:
                organisation.compare(asked)

    def publish_at_once(self, times: int) -> None:
        """Publish under one key at all replicas at the same moment, again and again."""
        for number in range(times):
            user_id, key = f"{self.name}-twice-{number % 3}", f"{self.name}-key-{number}"
            interactions = [{"content": f"violin {key}"}, {"content": f"tulip {key}"}]
            gate = threading.Barrier(len(self.pinned))
            answers: list[Any] = []

            def publish(
                client: reflexio.ReflexioClient,
                user_id: str = user_id,
                key: str = key,
                interactions: list[dict[str, str]] = interactions,
                gate: threading.Barrier = gate,
                answers: list[Any] = answers,
            ) -> None:
                gate.wait()
                answer = client.publish_interaction(
                    user_id, interactions, session_id=key, idempotency_key=key, wait_for_response=True
                )
                answers.append((answer.request_id, tuple(answer.interaction_ids or ())))

            threads = [threading.Thread(target=publish, args=(client,)) for client in self.pinned]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(answers) == len(self.pinned)
            assert len(set(answers)) == 1, f"{key} was answered as {answers}"
            for client in self.pinned:
                [session] = client.get_requests(session_id=key).sessions
                [data] = session.requests
                assert (data.request.request_id, tuple(i.interaction_id for i in data.interactions)) == answers[0]
            self.counts["the same key at once"] += 1

    def _publish(self, organisation: Organisation, client: reflexio.ReflexioClient) -> None:
        user_id = self.chance.choice(organisation.users)
        session_id = self.chance.choice((None, *self._sessions))
        source = self.chance.choice(_SOURCES)
        given = self._interactions()
        answer = client.publish_interaction(
            user_id, given, source=source, session_id=session_id, wait_for_response=self.chance.random() < 0.3
        )
        request_id, ids = answer.request_id, answer.interaction_ids
        if request_id is None or ids is None:
            # Not told which they are: any replica must know at once.
            newest = organisation.any_client().get_requests(user_id, top_k=1).sessions[0].requests[0]
            request_id, ids = newest.request.request_id, [i.interaction_id for i in newest.interactions]
            known = {s.request_id for s in organisation.truth.said}
            assert request_id not in known, "a replica does not show what is new"
        self._said(
            organisation, given, ids, request_id=request_id, user_id=user_id, session_id=session_id, source=source
        )

    def _publish_streamed(self, organisation: Organisation, client: reflexio.ReflexioClient) -> None:
        """Publish several of one session, and look up at any replica which they are: their versions tell them apart."""
        of_all = {
            "user_id": self.chance.choice(organisation.users),
            "session_id": self.chance.choice(self._sessions),
            "source": self.chance.choice(_SOURCES),
        }
        step = self.counts["steps"]
        given = {f"{step}.{number}": self._interactions() for number in range(self.chance.randint(2, 5))}
        publishes = [
            {**of_all, "agent_version": version, "interactions": interactions, "wait_for_response": waits}
            for waits in [self.chance.random() < 0.3]
            for version, interactions in given.items()
        ]
        answers = list(client.publish_interactions(publishes))
        assert not [answer for answer in answers if isinstance(answer, reflexio.ReflexioError)]
        [session] = (
            organisation.any_client()
            .get_requests(of_all["user_id"], session_id=of_all["session_id"], top_k=len(given))
            .sessions
        )
        stored = {data.request.agent_version: data for data in session.requests}
        assert list(stored) == list(reversed(given)), "a replica does not show what a stream acknowledged, in its order"
        for version, interactions in given.items():
            ids = [interaction.interaction_id for interaction in stored[version].interactions]
            self._said(organisation, interactions, ids, request_id=stored[version].request.request_id, **of_all)

    @property
    def _sessions(self) -> tuple[str, str]:
        return f"{self.name}-alpha", f"{self.name}-beta"

    def _said(
        self, organisation: Organisation, given: Sequence[dict[str, Any]], ids: Sequence[int], **of_all: Any
    ) -> None:
        organisation.truth.add(
            Said(
                step=self.counts["steps"],
                interaction_id=interaction_id,
                role=one["role"],
                content=one["content"],
                created_at=one.get("created_at"),
                **of_all,
            )
            for interaction_id, one in zip(ids, given, strict=True)
        )

    def _interactions(self) -> list[dict[str, Any]]:
        return [self._interaction() for _ in range(self.chance.randint(1, 4))]

    def _interaction(self) -> dict[str, Any]:
        content = " ".join(self.chance.choices(WORDS, k=self.chance.randint(1, 5)))
        made: dict[str, Any] = {"role": self.chance.choice(_ROLES), "content": content}
        if self.chance.random() < 0.1:
            made |= {"content": "", "user_action": "scroll"}
        if self.chance.random() < 0.3:
            made["created_at"] = _PAST + self.chance.randrange(100)
        return made

    def _delete(self, kind: str, organisation: Organisation, client: reflexio.ReflexioClient) -> None:
        said = organisation.truth.said
        chosen = self.chance.choice(said)
        requests: int | None = None
        interactions: int | None = None
        if kind == "interaction":
            client.delete_interaction(chosen.user_id, chosen.interaction_id)
            gone = [chosen]
        elif kind == "several requests":
            ids = {one.request_id for one in self.chance.sample(said, min(3, len(said)))}
            several = client.delete_requests_by_ids(sorted(ids))
            requests, interactions = several.deleted_count, several.deleted_interactions_count
            gone = [s for s in said if s.request_id in ids]
        elif kind == "session" and chosen.session_id is not None:
            mine = chosen.user_id if self.chance.random() < 0.5 else None
            client.delete_session(chosen.session_id, user_id=mine)
            gone = [s for s in said if s.session_id == chosen.session_id and (mine is None or s.user_id == mine)]
        elif kind == "user":
            erased = client.erase_user(chosen.user_id)
            requests, interactions = erased.deleted_requests_count, erased.deleted_interactions_count
            gone = [s for s in said if s.user_id == chosen.user_id]
        else:
            client.delete_request(chosen.request_id)
            gone = [s for s in said if s.request_id == chosen.request_id]
        organisation.take_away(gone, requests, interactions)

    def _restart(self) -> None:
        server = self.chance.choice(self.servers)
        if self.chance.random() < 0.5:
            server.kill()
        else:
            assert server.terminate() == 0, server.log[-3000:]
        server.start()
