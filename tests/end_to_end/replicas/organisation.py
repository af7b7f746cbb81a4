"""One organisation as its clients see it: callers of each replica, and the truth that all of them must show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.replicas.truth import Said, Truth
from tests.end_to_end.stand.client import connected

# None of them is a stop word, and stemming keeps them apart: Postgres finds what comparing letters finds.
WORDS = ("river", "boat", "anchor", "harbor", "storm", "lantern", "ledger", "tulip", "parcel", "violin")


@dataclass
class Organisation:
    """Clients of all replicas that have one API key, and what they know to be there."""

    targets: Sequence[str]
    """The replicas: host and port."""
    api_key: str
    """An administrator's; empty where the replicas ask for none."""
    users: Sequence[str]
    chance: Random
    counts: Counter[str]
    truth: Truth = field(default_factory=Truth)

    def __post_init__(self) -> None:
        self.pinned = [connected(target, self.api_key) for target in self.targets]
        self.spread = connected("ipv4:" + ",".join(self.targets), self.api_key)
        """One that goes round, as the client's service config says."""

    @property
    def clients(self) -> list[reflexio.ReflexioClient]:
        """One of each replica, and the one that goes round."""
        return [*self.pinned, self.spread]

    def any_client(self) -> reflexio.ReflexioClient:
        return self.chance.choice(self.clients)

    def close(self) -> None:
        """Close all clients."""
        for client in self.clients:
            client.close()

    def compare(self, client: reflexio.ReflexioClient) -> None:
        """Compare a list and a search, with conditions by chance, with the truth."""
        user_id = self.chance.choice(self.users)
        listed = client.get_interactions(user_id, top_k=1000).interactions
        there = [s.interaction_id for s in self.truth.newest_first(user_id)]
        assert [i.interaction_id for i in listed] == there, f"the list of {user_id} at {client.url_endpoint}"
        query = " ".join(self.chance.sample(WORDS, self.chance.randint(1, 3)))
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

    def take_away(self, gone: Sequence[Said], requests: int | None, interactions: int | None) -> None:
        """Note what a call has deleted, and compare it with the counts of its answer; None for what it does not count.

        A request of which every interaction was deleted before is still one, which the truth does not know.
        """
        if interactions is not None:
            assert interactions == len(gone), "a deletion counts other interactions than were there"
        if requests is not None:
            assert requests >= len({said.request_id for said in gone}), "a deletion counts too few requests"
        self.truth.remove(gone)

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
