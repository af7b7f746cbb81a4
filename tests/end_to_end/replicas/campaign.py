"""Random calls to several replicas, each followed by a comparison of all of them with the truth."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.replicas.truth import Said, Truth
from tests.end_to_end.stand.server_process import ServerProcess

# None of them is a stop word, and stemming keeps them apart: Postgres finds what comparing letters finds.
_WORDS = ("river", "boat", "anchor", "harbor", "storm", "lantern", "ledger", "tulip", "parcel", "violin")
_ROLES = ("User", "Agent")
_SOURCES = ("web", "phone")
_PAST = 1_700_000_000


@dataclass
class Campaign:
    """Clients of some replicas, and what they know to be there."""

    servers: Sequence[ServerProcess]
    chance: Random
    name: str = "user"
    """Leads the names of its users and sessions."""
    truth: Truth = field(default_factory=Truth)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        targets = [server.target for server in self.servers]
        self.pinned = [reflexio.ReflexioClient(url_endpoint=target) for target in targets]
        self.spread = reflexio.ReflexioClient(url_endpoint="ipv4:" + ",".join(targets))
        """One that goes round, as the client's service config says."""
        self.users = [f"{self.name}-{number}" for number in range(2)]

    def close(self) -> None:
        """Close all clients."""
        for client in [*self.pinned, self.spread]:
            client.close()

    def run(self, steps: int, *, restarts: bool) -> None:
        """Take so many steps."""
        kinds = ["publish"] * 10 + ["interaction", "interaction", "request", "session"] + ["restart"] * restarts
        for step in range(steps):
            kind = self.chance.choice(kinds)
            self.counts[kind] += 1
            if kind == "publish":
                self._publish(step, self._any_client())
            elif kind == "restart":
                self._restart()
            else:
                self._delete(kind, self._any_client())
            for client in [*self.pinned, self.spread]:
                self._compare(client)

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

    def _any_client(self) -> reflexio.ReflexioClient:
        return self.chance.choice([*self.pinned, self.spread])

    def _publish(self, step: int, client: reflexio.ReflexioClient) -> None:
        user_id = self.chance.choice(self.users)
        session_id = self.chance.choice((None, f"{self.name}-alpha", f"{self.name}-beta"))
        source = self.chance.choice(_SOURCES)
        given = [self._interaction() for _ in range(self.chance.randint(1, 4))]
        answer = client.publish_interaction(
            user_id, given, source=source, session_id=session_id, wait_for_response=self.chance.random() < 0.3
        )
        request_id, ids = answer.request_id, answer.interaction_ids
        if request_id is None or ids is None:
            # Not told which they are: any replica must know at once.
            newest = self._any_client().get_requests(user_id, top_k=1).sessions[0].requests[0]
            request_id, ids = newest.request.request_id, [i.interaction_id for i in newest.interactions]
            assert request_id not in {s.request_id for s in self.truth.said}, "a replica does not show what is new"
        self.truth.add(
            Said(step, i, request_id, user_id, session_id, source, one["role"], one["content"], one.get("created_at"))
            for i, one in zip(ids, given, strict=True)
        )

    def _interaction(self) -> dict[str, Any]:
        content = " ".join(self.chance.choices(_WORDS, k=self.chance.randint(1, 5)))
        made: dict[str, Any] = {"role": self.chance.choice(_ROLES), "content": content}
        if self.chance.random() < 0.1:
            made |= {"content": "", "user_action": "scroll"}
        if self.chance.random() < 0.3:
            made["created_at"] = _PAST + self.chance.randrange(100)
        return made

    def _delete(self, kind: str, client: reflexio.ReflexioClient) -> None:
        if not self.truth.said:
            return
        chosen = self.chance.choice(self.truth.said)
        if kind == "interaction":
            client.delete_interaction(chosen.user_id, chosen.interaction_id)
            gone = [chosen]
        elif kind == "session" and chosen.session_id is not None:
            mine = chosen.user_id if self.chance.random() < 0.5 else None
            client.delete_session(chosen.session_id, user_id=mine)
            gone = [
                s for s in self.truth.said if s.session_id == chosen.session_id and (mine is None or s.user_id == mine)
            ]
        else:
            client.delete_request(chosen.request_id)
            gone = [s for s in self.truth.said if s.request_id == chosen.request_id]
        self.truth.remove(gone)

    def _restart(self) -> None:
        server = self.chance.choice(self.servers)
        if self.chance.random() < 0.5:
            server.kill()
        else:
            assert server.terminate() == 0, server.log[-3000:]
        server.start()

    def _conditions(self, user_id: str) -> dict[str, Any]:
        said = [s for s in self.truth.said if s.user_id == user_id]
        if not said or self.chance.random() < 0.3:
            return {}
        like = self.chance.choice(said)
        choices = {"role": like.role, "source": like.source, "request_id": like.request_id}
        if like.session_id is not None:
            choices["session_id"] = like.session_id
        name = self.chance.choice([*choices, "most_recent_k"])
        return {name: choices.get(name, self.chance.randint(1, 20))}

    def _compare(self, client: reflexio.ReflexioClient) -> None:
        user_id = self.chance.choice(self.users)
        listed = client.get_interactions(user_id, top_k=1000).interactions
        assert [i.interaction_id for i in listed] == [s.interaction_id for s in self.truth.newest_first(user_id)]
        query = " ".join(self.chance.sample(_WORDS, self.chance.randint(1, 3)))
        conditions = self._conditions(user_id)
        mode = self.chance.choice(("vector", "fts", "hybrid"))
        answer = client.search_interactions(user_id=user_id, query=query, search_mode=mode, top_k=1000, **conditions)
        found = {hit.interaction_id: hit.score for hit in answer.interactions}
        assert len(found) == len(answer.interactions)
        self.counts["answers compared"] += 2
        where = f"{mode} search at {client.url_endpoint} for {query!r} with {conditions}"
        if mode == "fts":
            assert found.keys() == self.truth.by_words(user_id, query, conditions), where
            return
        expected = self.truth.by_meaning(user_id, query, conditions)
        assert found.keys() == expected.keys(), where
        if mode == "vector":
            assert all(abs(found[i] - expected[i]) < 1e-3 for i in expected), where
            assert list(found.values()) == sorted(found.values(), reverse=True), where
