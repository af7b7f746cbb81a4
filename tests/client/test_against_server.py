"""What users do, through both clients, against a real server: each case is written once."""

import base64
import inspect
import time
from datetime import UTC, datetime, timedelta

import pytest
import reflexio
from reflexio import IdempotencyKeyReusedError, InvalidArgumentError, InvalidImageError, UserActionType

# One pixel.
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
GIF64 = base64.b64encode(GIF).decode()

DAY = 86_400


def texts(response):
    return [interaction.content for interaction in response.interactions]


async def publish_days(client, user_id, count):
    """One request for each of the last `count` days, the oldest first."""
    noon = int(time.time()) - count * DAY
    for day in range(count):
        interaction = {"content": f"day {day}", "created_at": noon + day * DAY}
        await client.publish_interaction(user_id, [interaction], session_id=f"{user_id}-{day % 2}")
    return noon


async def test_what_is_published_can_be_searched_at_once_and_comes_back_whole(client, user_id):
    given = {
        "role": "Agent", "content": "the parcel was sent on Monday", "shadow_content": "it is lost",
        "expert_content": "it arrives on Tuesday", "user_action": "Click", "user_action_description": "pressed track",
        "interacted_image_url": "https://example.com/a.png", "image_encoding": GIF64,
        "tools_used": [{"tool_name": "track", "tool_data": {"id": 7, "deep": [{"ok": True, "no": None}], "empty": {}}}],
        "created_at": 1_600_000_000,
    }  # fmt: skip
    published = await client.publish_interaction(
        user_id, [given], source="web", session_id="s-1", wait_for_response=True
    )
    response = await client.search_interactions(user_id=user_id, query="parcel Monday", include_images=True)
    [found] = response.interactions

    for name, value in (given | {"user_action": UserActionType.CLICK, "tools_used": None}).items():
        if value is not None:
            assert getattr(found, name) == value, name
    assert (found.tools_used[0].tool_name, found.tools_used[0].tool_data) == (
        "track",
        given["tools_used"][0]["tool_data"],
    )
    assert (found.user_id, found.session_id, found.request_id) == (user_id, "s-1", published.request_id)
    assert [found.interaction_id] == published.interaction_ids
    assert found.score is not None
    assert found.has_image


async def test_images_come_only_when_asked_for(client, user_id):
    await client.publish_interaction(user_id, [{"content": "a picture", "image_encoding": GIF64}])
    asked = [
        await client.search_interactions(user_id=user_id, query="picture", include_images=True),
        await client.get_interactions(user_id, include_images=True),
        (await client.get_requests(user_id, include_images=True)).sessions[0].requests[0],
    ]
    not_asked = [
        await client.search_interactions(user_id=user_id, query="picture"),
        await client.get_interactions(user_id),
        (await client.get_requests(user_id)).sessions[0].requests[0],
    ]

    assert [answer.interactions[0].image_encoding for answer in asked] == [GIF64] * 3
    assert [answer.interactions[0].image_encoding for answer in not_asked] == [""] * 3
    assert all(answer.interactions[0].has_image for answer in asked + not_asked)


async def test_without_waiting_the_answer_is_bare_and_with_waiting_it_is_full(client, user_id, server):
    bare = await client.publish_interaction(user_id, [{"content": "one"}])
    full = await client.publish_interaction(user_id, [{"content": "two"}], wait_for_response=True)

    assert (bare.success, bare.request_id, bare.endpoint_url, bare.profiles_added) == (True, None, None, None)
    assert bare.message
    assert (full.success, full.endpoint_url, full.storage_type is not None) == (True, server.url, True)
    assert (full.profiles_added, full.profiles_updated, full.playbooks_added, full.playbooks_updated) == (0, 0, 0, 0)
    assert full.storage_label


async def test_who_asks_to_learn_now_is_told_that_nothing_learns_yet(client, user_id):
    hello = [{"content": "hello"}]
    forced = await client.publish_interaction(user_id, hello, force_extraction=True)
    assert forced.success
    [warning] = forced.warnings
    assert warning.startswith("force_extraction has no effect yet")
    assert (await client.publish_interaction(user_id, hello, skip_aggregation=True)).warnings == []


async def test_a_publish_with_the_same_key_is_stored_once(client, user_id):
    first = await client.publish_interaction(
        user_id, [{"content": "x"}], idempotency_key=user_id, wait_for_response=True
    )
    again = await client.publish_interaction(
        user_id, [{"content": "x"}], idempotency_key=user_id, wait_for_response=True
    )

    assert again.request_id == first.request_id
    assert len((await client.get_interactions(user_id)).interactions) == 1
    with pytest.raises(IdempotencyKeyReusedError) as caught:
        await client.publish_interaction(user_id, [{"content": "y"}], idempotency_key=user_id)
    assert caught.value.reason == "IDEMPOTENCY_KEY_REUSED"


async def test_two_publishes_of_the_same_are_two(client, user_id):
    for _ in range(2):
        await client.publish_interaction(user_id, [{"content": "x"}])

    assert len((await client.get_interactions(user_id)).interactions) == 2


async def test_times_may_be_datetimes_or_seconds_and_both_ends_count(client, user_id):
    first = await publish_days(client, user_id, 4)
    from_second, to_third = first + DAY, first + 2 * DAY

    for start, end in (
        (from_second, to_third),
        (datetime.fromtimestamp(from_second, UTC), datetime.fromtimestamp(to_third, UTC)),
        (datetime.fromtimestamp(from_second), float(to_third)),  # Naive is local.
    ):
        listed = await client.get_interactions(user_id, start, end)
        searched = await client.search_interactions(user_id=user_id, start_time=start, end_time=end)
        assert texts(listed) == texts(searched) == ["day 2", "day 1"]


async def test_a_whole_second_is_in_a_range_that_ends_with_it(client, user_id):
    moment = datetime(2024, 1, 2, 3, 4, 5, 900_000, tzinfo=UTC)
    await client.publish_interaction(user_id, [{"content": "late in its second", "created_at": moment}])
    [found] = (await client.get_interactions(user_id)).interactions

    assert found.created_at == int(moment.timestamp())
    assert texts(await client.get_interactions(user_id, end_time=found.created_at)) == ["late in its second"]
    assert texts(await client.get_interactions(user_id, end_time=moment - timedelta(seconds=0.1))) == []


async def test_lists_follow_the_pages_to_what_was_asked_for(client, user_id):
    for start in range(0, 1200, 600):
        batch = [{"content": str(number), "created_at": 1000 + number} for number in range(start, start + 600)]
        await client.publish_interaction(user_id, batch)

    everything = await client.get_interactions(user_id, top_k=5000)
    assert texts(everything) == [str(number) for number in reversed(range(1200))]
    assert texts(await client.get_interactions(user_id, top_k=1100)) == texts(everything)[:1100]
    assert len((await client.get_interactions(user_id)).interactions) == 30


async def test_requests_come_back_by_session_newest_first(client, user_id):
    await publish_days(client, user_id, 5)
    response = await client.get_requests(user_id=user_id, top_k=3, offset=1)

    assert [session.session_id for session in response.sessions] == [f"{user_id}-1", f"{user_id}-0"]
    assert [[data.interactions[0].content for data in session.requests] for session in response.sessions] == [
        ["day 3", "day 1"],
        ["day 2"],
    ]
    assert response.has_more
    assert not (await client.get_requests(user_id=user_id)).has_more
    request = response.sessions[0].requests[0].request
    assert (request.user_id, request.session_id, request.request_group) == (user_id, f"{user_id}-1", f"{user_id}-1")
    assert abs(request.created_at - time.time()) < 60


async def test_both_vintages_of_names_mean_the_same(client, user_id):
    await client.publish_interaction(user_id, [{"content": "old"}], request_group=user_id)
    await client.publish_interaction(user_id, [{"content": "new"}], session_id=user_id)
    response = await client.get_requests(user_id)

    [group] = response.request_groups
    assert (group.request_group, len(group.requests)) == (user_id, 2)
    deleted = await client.delete_request_group(request_group=user_id, wait_for_response=True)
    assert (deleted.success, deleted.deleted_requests_count) == (True, 2)
    again = await client.delete_session(user_id, wait_for_response=True)
    assert (again.success, again.deleted_requests_count) == (True, 0)
    assert again.message


async def test_a_session_can_be_deleted_for_one_user_alone(client, user_id):
    for user in (user_id, f"{user_id}-b"):
        await client.publish_interaction(user, [{"content": "x"}], session_id=user_id)
    await client.delete_session(user_id, user_id=user_id)

    assert texts(await client.get_interactions(user_id)) == []
    assert texts(await client.get_interactions(f"{user_id}-b")) == ["x"]


async def test_what_is_deleted_is_gone_from_every_read(client, user_id):
    published = [
        await client.publish_interaction(
            user_id, [{"content": text}, {"content": f"{text} too"}], wait_for_response=True
        )
        for text in ("one", "two", "three")
    ]
    ids = [response.request_id for response in published]

    bare = await client.delete_interaction(user_id, published[0].interaction_ids[0])
    assert (bare.success, bare.deleted_interactions_count) == (True, None)
    counted = await client.delete_interaction(user_id, published[0].interaction_ids[0], wait_for_response=True)
    assert counted.deleted_interactions_count == 0
    request = await client.delete_request(ids[1], wait_for_response=True)
    assert (request.deleted_requests_count, request.deleted_interactions_count) == (1, 2)
    several = await client.delete_requests_by_ids([ids[1], ids[2]])
    assert (several.deleted_count, several.deleted_interactions_count) == (1, 2)

    assert texts(await client.get_interactions(user_id)) == ["one too"]
    assert texts(await client.search_interactions(user_id=user_id, query="one two three")) == ["one too"]
    assert [s.requests[0].request.request_id for s in (await client.get_requests(user_id)).sessions] == [ids[0]]


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("publish_interaction", {"user_id": "", "interactions": [{"content": "x"}]}, "user_id"),
        ("publish_interaction", {"user_id": "u", "interactions": []}, "interactions"),
        ("publish_interaction", {"user_id": "u", "interactions": [{"content": "x"}, {}]}, "interactions[1]"),
        (
            "publish_interaction",
            {"user_id": "u", "interactions": [{"content": "x", "role": "r" * 300}]},
            "interactions[0].role",
        ),
        (
            "publish_interaction",
            {"user_id": "u", "interactions": [{"content": "x"}], "request_group": "g" * 300},
            "request_group",
        ),
        ("search_interactions", {"user_id": "u", "top_k": 0}, "top_k"),
        ("search_interactions", {"user_id": "u", "top_k": 1001}, "top_k"),
        ("search_interactions", {"user_id": "u", "most_recent_k": -1}, "most_recent_k"),
        ("search_interactions", {"user_id": "u", "start_time": 10, "end_time": 5}, "end_time"),
        ("get_interactions", {"user_id": "u\0"}, "user_id"),
        ("get_interactions", {"user_id": "u", "start_time": 10, "end_time": 5}, "end_time"),
        ("get_requests", {"offset": -1}, "offset"),
        ("get_requests", {"start_time": 10, "end_time": 5}, "end_time"),
        ("delete_interaction", {"user_id": "u", "interaction_id": 0}, "interaction_id"),
        ("delete_request", {"request_id": ""}, "request_id"),
        ("delete_request_group", {"request_group": ""}, "request_group"),
        ("delete_requests_by_ids", {"request_ids": ["a", ""]}, "request_ids[1]"),
    ],
)
async def test_what_the_server_refuses_is_named_as_the_caller_wrote_it(client, method, arguments, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await getattr(client, method)(**arguments)

    assert [violation.field for violation in caught.value.field_violations] == [field]
    assert str(caught.value).startswith(f"{field}: ")
    assert (caught.value.reason, caught.value.status) == ("INVALID_FIELD", "INVALID_ARGUMENT")


async def test_what_is_no_image_is_refused_by_the_name_of_the_argument(client, user_id):
    nonsense = base64.b64encode(b"no image at all").decode()
    with pytest.raises(InvalidImageError) as caught:
        await client.publish_interaction(user_id, [{"content": "x"}, {"image_encoding": nonsense}])

    assert caught.value.field_violations[0].field == "interactions[1].image_encoding"
    assert texts(await client.get_interactions(user_id)) == []


async def test_one_learns_who_one_is_and_what_the_server_is(client):
    me, info = await client.whoami(), await client.server_info()

    assert (me.organization_id, me.role) == (1, "admin")
    assert info.version == reflexio.__version__
    assert info.embedding_dimension > 0
    assert info.max_message_bytes > 0
    assert info.storage_type in ("postgres", "embedded-postgres")


async def test_every_user_is_listed_for_the_administrator(client, user_id):
    await client.publish_interaction(user_id, [{"content": user_id}])
    response = await client.get_all_interactions(limit=5)

    assert user_id in texts(response)
    assert len(response.interactions) <= 5


async def test_everything_can_be_deleted(fresh_server):
    with reflexio.ReflexioClient(url_endpoint=fresh_server.url) as client:
        for user in ("a", "b"):
            client.publish_interaction(user, [{"content": "x"}, {"content": "y"}])
        response = client.delete_all_interactions()

        assert (response.deleted_requests_count, response.deleted_interactions_count) == (2, 4)
        assert client.get_all_interactions().interactions == []


def test_the_program_in_the_documentation_of_the_package_runs(fresh_server, monkeypatch, run_program):
    program = inspect.cleandoc(reflexio.__doc__).split("by `reflexio serve`:\n\n")[1].split("\n\n`AsyncReflexio")[0]
    monkeypatch.setenv("REFLEXIO_API_URL", fresh_server.url)
    [line] = run_program(inspect.cleandoc("\n" + program)).splitlines()

    assert line.startswith("User I drink my coffee black. ")
