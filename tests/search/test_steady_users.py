"""Users of whom nothing changes: searches ask about them when they read what they found, and see what changes."""

import pytest
from reflexio_server.domain.ids import InteractionId, OrgId, UserId
from reflexio_server.index.partition import Partition
from reflexio_server.search.steady_users import SteadyUsers
from reflexio_server.store import deletions, erasure, search_state
from reflexio_server.store.user_state import UserState

from tests.search.flows import MODES, Replica, contents

STATE = UserState(1, "model", 3, is_waiting=False)


def counted(monkeypatch, owner, name):
    calls = []
    real = getattr(owner, name)

    def counting(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


async def test_a_user_of_whom_nothing_changes_is_asked_about_twice_only(replica: Replica, org_id, user_id, monkeypatch):
    await replica.publish(org_id, user_id, "green tea", wait=True)
    asked = counted(monkeypatch, search_state, "read")
    for _ in range(5):
        assert contents(await replica.search(org_id, user_id, "tea")) == ["green tea"]
    assert len(asked) == 2


async def test_nothing_is_ranked_in_vain_where_speaking_and_searching_take_turns(
    replica: Replica, org_id, user_id, monkeypatch
):
    ranked = counted(monkeypatch, Partition, "evidence")
    for n in range(5):
        await replica.publish(org_id, user_id, f"note{n}", wait=True)
        await replica.search(org_id, user_id, "note")
    assert len(ranked) == 5


async def _publish(replica: Replica, org_id: OrgId, user_id: UserId, _: InteractionId) -> list[str]:
    await replica.publish(org_id, user_id, "black tea")
    return ["black tea", "green tea"]


async def _delete(replica: Replica, org_id: OrgId, user_id: UserId, interaction_id: InteractionId) -> list[str]:
    await deletions.delete_interaction(replica.database, org_id, user_id, interaction_id)
    return []


async def _erase(replica: Replica, org_id: OrgId, user_id: UserId, _: InteractionId) -> list[str]:
    await erasure.erase_user(replica.database, org_id, user_id)
    return []


async def _replace(replica: Replica, org_id: OrgId, user_id: UserId, interaction_id: InteractionId) -> list[str]:
    await _erase(replica, org_id, user_id, interaction_id)
    await replica.publish(org_id, user_id, "black tea", wait=True)
    return ["black tea"]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("change", [_publish, _delete, _erase, _replace])
async def test_what_another_replica_changes_is_seen_at_once(replicas: list[Replica], org_id, user_id, change, mode):
    here, there = replicas
    done = await here.publish(org_id, user_id, "green tea", wait=True)
    for _ in range(3):
        assert contents(await here.search(org_id, user_id, "tea", mode=mode)) == ["green tea"]
    expected = await change(there, org_id, user_id, done.interaction_ids[0])
    for _ in range(4):
        assert sorted(contents(await here.search(org_id, user_id, "tea", mode=mode))) == expected


def test_what_was_the_same_twice_is_expected_until_it_differs(org_id, user_id):
    users = SteadyUsers()
    for expected in (None, None, STATE):
        assert users.expected(org_id, user_id) == expected
        users.note(org_id, user_id, STATE)
    assert users.expected(org_id, UserId(user_id + "2")) is None
    users.note(org_id, user_id, STATE._replace(version=2))
    assert users.expected(org_id, user_id) is None


@pytest.mark.parametrize("state", [None, STATE._replace(is_waiting=True), STATE._replace(version=None)])
def test_what_waits_and_what_is_nothing_is_not_expected(org_id, user_id, state):
    users = SteadyUsers()
    for noted in (STATE, STATE, state, STATE):
        users.note(org_id, user_id, noted)
    assert users.expected(org_id, user_id) is None
    for _ in range(3):
        users.note(org_id, user_id, state)
    assert users.expected(org_id, user_id) is None
