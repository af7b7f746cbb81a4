"""While the embedding model changes, on any replica, every answer is that of brute force with the model that is active.

Random histories on two servers: publishes, deletions, changes begun and cancelled, servers killed and started again.
After every step both are compared with what numpy makes of the texts that Postgres has. Seeds are printed by pytest;
REFLEXIO_TEST_HISTORIES runs more of them.
"""

import contextlib
import os
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import reflexio
from reflexio_server.embed import reindexer

from tests.embed.changing import NEW, OLD, Models, Running, ask, check_against_brute_force, kill, serving
from tests.running import Postgres
from tests.store.consistency import violations_of

_WORDS = ["river", "boat", "anchor", "harbour", "storm", "lantern", "ledger", "invoice", "refund", "parcel", "tulip"]
_USERS = ("ann", "bob")
_FREQUENCIES = {"publish": 6, "delete": 3, "session": 1, "start": 4, "cancel": 1, "restart": 1, "kill": 1}
_HISTORIES = int(os.environ.get("REFLEXIO_TEST_HISTORIES", "1"))
_STEPS = 25


@dataclass
class Replicas:
    """Two servers on one database."""

    url: str
    models: Models
    running: list[Running] = field(default_factory=list)
    stacks: list[AsyncExitStack] = field(default_factory=list)

    async def start(self, number: int) -> None:
        stack = AsyncExitStack()
        self.running[number : number + 1] = [await stack.enter_async_context(serving(self.url, self.models))]
        self.stacks[number : number + 1] = [stack]

    async def restart(self, number: int, *, killed: bool) -> None:
        if killed:
            await kill(self.running[number].app)
        await self.stacks[number].aclose()
        await self.start(number)


@pytest.mark.parametrize("seed", range(_HISTORIES))
async def test_every_answer_is_that_of_the_active_model(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(reindexer, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(reindexer, "LEASE_SECONDS", 0.5)
    monkeypatch.setattr(reindexer, "_REMOVED", 3)
    models = Models()
    models.seconds_per_batch = 0.02
    replicas = Replicas(postgres.new_database(), models)
    for number in range(2):
        await replicas.start(number)
    try:
        seen = {await _history(replicas, random.Random(f"{seed} {step}"), step) for step in range(_STEPS)}
        assert seen >= {frozenset({OLD}), frozenset({NEW})}, "it was long enough to see both"
        found = await violations_of(lambda query: _count(replicas.url, query))
        assert found.keys() <= {"requests that lost interactions which nobody deleted"}, "single ones were deleted"
    finally:
        for stack in replicas.stacks:
            await stack.aclose()


async def _history(replicas: Replicas, chance: random.Random, step: int) -> frozenset[str]:
    """Do one step, and compare. Returns the models that answered."""
    one, user_id = chance.choice(replicas.running).client, chance.choice(_USERS)
    what = chance.choices(list(_FREQUENCIES), list(_FREQUENCIES.values()))[0]
    if what == "publish" or step == 0:
        said = [{"content": " ".join(chance.choices(_WORDS, k=3))} for _ in range(chance.randint(1, 30))]
        await one.publish_interaction(user_id, said, session_id=chance.choice("abc"))
    elif what == "delete":
        for interaction in chance.sample(there := (await one.get_interactions(user_id)).interactions, len(there) // 3):
            await one.delete_interaction(user_id, interaction.interaction_id)
    elif what == "session":
        await one.delete_session(chance.choice("abc"))
    elif what == "start":
        await _begin(one, chance.choice((OLD, NEW)))
    elif what == "cancel":
        await one.cancel_reindex()
    else:
        await replicas.restart(chance.randrange(2), killed=what == "kill")
    query = " ".join(chance.choices(_WORDS, k=2))
    answered = [
        await check_against_brute_force(replicas.url, replica.client, user_id, query) for replica in replicas.running
    ]
    return frozenset(answered)


async def _begin(client: reflexio.AsyncReflexioClient, model: str) -> None:
    with contextlib.suppress(reflexio.ReindexUnderWayError):
        await client.start_reindex(model)


async def _count(url: str, query: str) -> int:
    return int((await ask(url, query, org_id=1))[0][0])
