"""Three server processes on one Postgres behave like one; `make test-faults` takes more steps."""

import os
import random
from collections.abc import Iterator

import pytest

from tests.end_to_end.replicas.campaign import Campaign
from tests.end_to_end.replicas.serving import WITH_KEYS, keys_of_two_organisations, replicas
from tests.running import Postgres

SEED = os.environ.get("REFLEXIO_FAULT_SEED") or str(random.randrange(10**9))


@pytest.fixture(scope="module")
def campaign(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    url = postgres.new_database()
    with replicas(url, 3, tmp_path_factory.mktemp("replicas"), *WITH_KEYS) as servers:
        print(f"REFLEXIO_FAULT_SEED={SEED}")
        started = Campaign(servers, random.Random(SEED), keys_of_two_organisations(url))
        yield started
        started.close()


def test_every_replica_shows_the_truth_after_every_call(campaign: Campaign) -> None:
    campaign.run(25, restarts=False)
    campaign.step("restart")
    campaign.run(15, restarts=False)


def test_one_key_at_all_replicas_at_once_is_one_request_with_one_answer(campaign: Campaign) -> None:
    campaign.publish_at_once(20)


def test_a_client_with_several_addresses_goes_round_them(campaign: Campaign) -> None:
    before = [server.log.count("WhoAmI") for server in campaign.servers]
    for _ in range(30):
        campaign.spread.whoami()
    calls = [server.log.count("WhoAmI") - count for server, count in zip(campaign.servers, before, strict=True)]
    assert calls == [10, 10, 10]
