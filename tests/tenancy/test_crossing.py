"""Whatever one organisation calls, nothing of another is shown, changed or betrayed, though all names coincide."""

import pytest
from reflexio.v1 import access_service_pb2 as access
from reflexio.v1 import data_service_pb2 as data
from reflexio.v1 import interaction_service_pb2 as interactions
from reflexio.v1 import request_service_pb2 as requests
from reflexio_server.access.policy import REQUIREMENTS, Requirement
from reflexio_server.rpc.server import SERVICES
from reflexio_server.store.database import Database

from tests.embed.eventually import eventually
from tests.rpc.wire import METHODS, path_of, refused
from tests.running import RunningServer
from tests.tenancy.calls import CALLS, ORACLES, shown_by
from tests.tenancy.conftest import Behind
from tests.tenancy.organisations import SESSION, USER, Organisation, publish_under_key, two_organisations

Two = tuple[Organisation, Organisation]

_NAMES_AN_ID = ("user_id", "session_id", "request_id", "request_ids", "interaction_id", "api_key_id")
_NAMES_AN_ACCOUNT = ("email", "account_email")
_CREATES = {"PublishInteractions", "CreateAccount"}
"""What somebody else has is made by these all the same."""
_ONLY_READS = ("Search", "List", "Get", "Export", "WhoAmI")
_IS_TOLD = {"Login", "ChangePassword"}
"""That somebody tried to be one of its accounts is written down for the organisation."""


def test_every_rpc_is_called():
    served = {method.containing_service.full_name for method in METHODS.values()}
    assert served == set(SERVICES), "every service of the contract is known to the tests"
    assert set(CALLS) == set(METHODS)
    by_id = {
        name
        for name, method in METHODS.items()
        if any(field in method.input_type.fields_by_name for field in (*_NAMES_AN_ID, *_NAMES_AN_ACCOUNT))
    }
    assert by_id - _CREATES == set(ORACLES), "what names something tells nobody that it is there"


async def at_rest(truth: Behind, *organisations: Organisation) -> None:
    """Wait until nothing of theirs waits for being embedded."""

    async def done() -> bool:
        ids = [own.org_id for own in organisations]
        waiting = "embedding_queue join interactions using (org_id, interaction_id)"
        query = f"select count(*) from {waiting} where org_id = any($1)"
        return not await truth.connection.fetchval(query, ids)

    await eventually(done)


@pytest.fixture
async def pair(method: str, settled: Two, making: Database) -> Two:
    """Two of whom much is left, where a method takes something away."""
    leaves_all = method.startswith(_ONLY_READS) or REQUIREMENTS[path_of(method)] is Requirement.OPERATOR
    return settled if leaves_all else await two_organisations(settled[0].call_as, making)


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_shows_and_changes_nothing_of_the_other(pair: Two, truth: Behind, method: str):
    one, other = pair
    await at_rest(truth, one, other)
    before = await truth.rows_of(other.org_id)
    assert all(before[table] for table in ("requests", "interactions", "images", "vectors", "idempotency_keys"))
    for asked in CALLS[method](one, other):
        if REQUIREMENTS[path_of(method)] is Requirement.OPERATOR:
            # It concerns all organisations, so administrators of one may not.
            assert (await refused(one.call(method, asked))).reason == "PERMISSION_DENIED"
            continue
        shown, echoed = "".join(await shown_by(one.call(method, asked))), str(asked)
        # What the caller wrote may come back, as the name in "there is no such request".
        assert not [mark for mark in other.marks if mark in shown and mark not in echoed], (asked, shown)
    await at_rest(truth, one, other)
    after = await truth.rows_of(other.org_id)
    if method in _IS_TOLD:
        assert len(after.pop("audit_events")) > len(before.pop("audit_events"))
    assert after == before


@pytest.mark.parametrize("method", ORACLES)
async def test_what_is_anothers_is_answered_as_what_is_nobodys(settled: Two, method: str):
    one, other = settled
    theirs, nobodys = ORACLES[method](other)
    answers = []
    for request in (theirs, nobodys):
        shown = await shown_by(one.call(method, request))
        named = [value for _, value in request.ListFields() if isinstance(value, str | int) and value is not True]
        named += list(getattr(request, "request_ids", ()))
        for name in map(str, named):
            shown = [text.replace(name, "what was named") for text in shown]
        answers.append(shown)
    assert answers[0] == answers[1]


async def test_searches_in_one_process_find_each_ones_own(settled: Two, tenants_server: RunningServer):
    """The same words of the same user, again and again in turns: partitions are not shared, and know it."""
    for _ in range(2):
        for own, other in (settled, settled[::-1]):
            for mode in (interactions.SEARCH_MODE_VECTOR, interactions.SEARCH_MODE_FTS):
                request = interactions.SearchInteractionsRequest(
                    user_id=USER, query="password of the kettle", search_mode=mode, top_k=100
                )
                hits = (await own.call("SearchInteractions", request)).hits
                said = " ".join(hit.interaction.content for hit in hits)
                assert own.secret in said
                assert other.secret not in said
    kept = {key[0] for key in tenants_server.app._index._entries if key[1] == USER}
    assert {own.org_id for own in settled} <= kept, "each has a partition of its own"
    asked = {key[0] for key in tenants_server.app._models.active._recent_queries._values}
    assert {own.org_id for own in settled} <= asked, "and so is what it asked"
    assert None not in asked


async def test_a_key_that_another_used_is_free(two: Two, truth: Behind):
    """Nothing is answered from another's publish, neither its result, nor its refusal, nor sooner because of it."""
    one, other = two
    first, again, theirs = [await own.call("PublishInteractions", publish_under_key(own)) for own in (one, one, other)]
    assert first.result.request_id == again.result.request_id != theirs.result.request_id
    fresh = "a key that one of them used"
    for own in two:
        request = publish_under_key(own, f"in {own.secret}")
        request.idempotency_key = fresh
        stored = await own.call("PublishInteractions", request)
        assert stored.message == "stored 2 interactions"
        request.interactions[0].content = "something else"
        assert (await refused(own.call("PublishInteractions", request))).reason == "IDEMPOTENCY_KEY_REUSED"
    counts = await truth.connection.fetch(
        "select count(*) as n from idempotency_keys where idempotency_key = $1 and org_id = any($2) group by org_id",
        fresh,
        [own.org_id for own in two],
    )
    assert [row["n"] for row in counts] == [1, 1]


async def test_page_tokens_of_one_are_useless_to_another(settled: Two):
    one, other = settled
    for method, request in (
        ("ListInteractions", interactions.ListInteractionsRequest(user_id=USER, page_size=1)),
        ("ListAllInteractions", interactions.ListAllInteractionsRequest(page_size=1)),
        ("ListRequests", requests.ListRequestsRequest(page_size=1)),
        ("ListAccounts", access.ListAccountsRequest(page_size=1)),
        ("ListApiKeys", access.ListApiKeysRequest(page_size=1)),
    ):
        request.page_token = (await one.call(method, request)).next_page_token
        assert request.page_token
        assert await one.call(method, request)
        assert (await refused(other.call(method, request))).reason == "INVALID_PAGE_TOKEN"


async def test_retention_of_one_spares_the_other(two: Two, truth: Behind, tenants_server: RunningServer):
    one, other = two
    long_ago = {"seconds": 1_000_000_000}
    for own in two:
        said = [{"interaction_id": own.first_id + 50, "content": "long ago", "created_at": long_ago}]
        record = {
            "request_id": own.request_id[:-4] + "ffff",
            "user_id": USER,
            "created_at": long_ago,
            "interactions": said,
        }
        await own.call("ImportData", data.ImportDataRequest(request=record))
    await at_rest(truth, one, other)
    before = await truth.rows_of(other.org_id)
    await one.call("UpdateRetention", data.UpdateRetentionRequest(max_age={"seconds": 365 * 86_400}))
    assert not (await other.call("GetRetention", data.GetRetentionRequest())).HasField("max_age")
    await tenants_server.run(tenants_server.app._housekeeping.retention.apply())
    kept = await one.call("ListRequests", requests.ListRequestsRequest(session_id=SESSION))
    assert kept.sessions
    left = "select count(*) from interactions where org_id = $1 and content = 'long ago'"
    assert [await truth.connection.fetchval(left, own.org_id) for own in two] == [0, 1]
    assert await truth.rows_of(other.org_id) == before
