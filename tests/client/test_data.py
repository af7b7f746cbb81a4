"""Moving data from one server into another, through both clients."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

import grpc
import pytest
import reflexio
from reflexio import ImportOutcome
from reflexio._transport.transfers import Upload
from reflexio.v1 import data_service_pb2 as pb

from tests.client.shells import SHELLS, Shell, opened
from tests.client.wire import UNAVAILABLE, WireServer, refuse
from tests.running import Postgres, running_server
from tests.validate.pictures import picture

FREE_IDS = count(5_000_000_000)


def record(user_id: str, *ids: int, **fields: Any) -> dict[str, Any]:
    now = "2026-03-01T09:30:00.123456789Z"
    said = [{"interaction_id": i, "content": f"number {i}", "created_at": now} for i in ids]
    return {"request_id": str(uuid4()), "user_id": user_id, "created_at": now, "interactions": said, **fields}


@pytest.fixture(scope="module")
def second_server(postgres: Postgres):
    """A server into which nobody publishes, so that all ids are free for imports."""
    with running_server(postgres.new_database()) as started:
        yield started


@pytest.fixture(params=SHELLS)
async def elsewhere(request, second_server):
    """A client of another server."""
    async with opened(request.param, second_server.url) as shell:
        yield shell


async def test_what_is_exported_can_be_kept_as_json_and_imported_elsewhere(server, elsewhere: Shell, user_id: str):
    kind = "async" if isinstance(elsewhere.client, reflexio.AsyncReflexioClient) else "sync"
    async with opened(kind, server.url) as here:
        await here.publish_interaction(
            user_id,
            [
                {"role": "Agent", "content": "Grüße 🎉", "shadow_content": "s", "expert_content": "e",
                 "tools_used": [{"tool_name": "t", "tool_data": {"a": [1, 2.5, None, {"b": True}]}}]},
                {"user_action": "click", "user_action_description": "on it", "interacted_image_url": "http://a/b",
                 "image_encoding": picture_in_base64()},
            ],
            "web", "agent 7", f"session of {user_id}", wait_for_response=True, skip_aggregation=True,
        )  # fmt: skip
        exported = await here.all_of("export_data", user_id)
        kept = [json.loads(json.dumps(one)) for one in exported]
        assert kept == exported
        [result] = await elsewhere.all_of("import_data", kept)
        assert (result.outcome, result.request_id, result.interactions_count, result.error) == (
            ImportOutcome.IMPORTED,
            exported[0]["request_id"],
            2,
            None,
        )
        assert await elsewhere.all_of("export_data", user_id) == exported
        reads = {"user_id": user_id, "include_images": True}
        for name in ("get_interactions", "get_requests"):
            assert await getattr(elsewhere, name)(**reads) == await getattr(here, name)(**reads)
        [again] = await elsewhere.all_of("import_data", iter(kept))
        assert (again.outcome, again.interactions_count) == (ImportOutcome.ALREADY_THERE, 0)


def picture_in_base64() -> str:
    return base64.b64encode(picture()).decode()


async def test_what_is_refused_ends_nothing_and_stands_in_its_place(elsewhere: Shell, user_id: str):
    first, second, third = (next(FREE_IDS) for _ in range(3))
    good = [record(user_id, first, second), record(user_id), record(user_id, third)]
    bad: list[tuple[Any, type, str]] = [
        ("no dict", reflexio.InvalidArgumentError, "record"),
        ({**record(user_id, 9), "sesion_id": "x"}, reflexio.InvalidArgumentError, "sesion_id"),
        ({**record(user_id, 9), "created_at": "yesterday"}, reflexio.InvalidArgumentError, "created_at"),
        ({**record(user_id, 9), "request_id": "x"}, reflexio.InvalidArgumentError, "request_id"),
        ({**record(user_id, 9, 8)}, reflexio.InvalidArgumentError, "interactions[1].interaction_id"),
        ({**record(""), "user_id": ""}, reflexio.InvalidArgumentError, "user_id"),
        (
            {**record(user_id), "interactions": [{**record(user_id, 9)["interactions"][0], "image_encoding": "eA=="}]},
            reflexio.InvalidImageError,
            "interactions[0].image_encoding",
        ),
    ]
    conflicting = [record(user_id, second), {**good[0], "user_id": "another"}]
    records = [good[0], *(one for one, _, _ in bad), good[1], *conflicting, good[2]]
    results = await elsewhere.all_of("import_data", records)
    assert [result.outcome for result in results] == [
        ImportOutcome.IMPORTED,
        *[ImportOutcome.REFUSED] * len(bad),
        ImportOutcome.IMPORTED,
        *[ImportOutcome.REFUSED] * 2,
        ImportOutcome.IMPORTED,
    ]
    for (given, kind, field), result in zip(bad, results[1:], strict=False):
        assert type(result.error) is kind
        assert result.error.field_violations[0].field == field
        assert str(result.error).startswith(field)
        assert result.request_id == (given["request_id"] if isinstance(given, dict) else "")
    for kind, result in zip(("interaction_id", "request_id"), results[-3:], strict=False):
        assert isinstance(result.error, reflexio.ImportConflictError)
        assert result.error.metadata["id"] == kind
    assert len(await elsewhere.all_of("export_data", user_id)) == 3


async def test_times_may_be_given_as_to_a_publish(elsewhere: Shell, user_id: str):
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    given = [record(user_id, created_at=moment), record(user_id, created_at=int(moment.timestamp()))]
    assert {r.outcome for r in await elsewhere.all_of("import_data", given)} == {ImportOutcome.IMPORTED}
    assert {one["created_at"] for one in await elsewhere.all_of("export_data", user_id)} == {"2026-03-01T09:30:00Z"}


async def test_more_than_is_ever_under_way_comes_in_order(client: Shell, user_id: str):
    first = int(datetime.now(UTC).timestamp() * 1e6)
    records = [record(user_id, first + n) for n in range(150)]
    results = await client.all_of("import_data", iter(records))
    assert [result.request_id for result in results] == [one["request_id"] for one in records]
    assert {one["request_id"] for one in await client.all_of("export_data", user_id)} == {
        one["request_id"] for one in records
    }


async def test_a_message_that_is_left_out_on_the_way_is_sent_again(client: Shell, user_id: str, monkeypatch):
    send, left_out, uploads = Upload._send, {3, 40}, set()

    def lose_some(upload, request):
        uploads.add(upload)
        outbox = upload._outbox
        if upload._sent + 1 in left_out:
            left_out.discard(upload._sent + 1)
            upload._outbox = SimpleQueue()
        send(upload, request)
        upload._outbox = outbox

    monkeypatch.setattr(Upload, "_send", lose_some)
    first = int(datetime.now(UTC).timestamp() * 1e6)
    records = [record(user_id, first + n) for n in range(100)]
    results = await client.all_of("import_data", iter(records))
    assert not left_out
    assert [result.request_id for result in results] == [one["request_id"] for one in records]
    assert {upload._unanswered_bytes for upload in uploads} == {0}


async def test_an_error_of_the_records_comes_through_and_closing_early_is_fine(client: Shell, user_id: str):
    first = int(datetime.now(UTC).timestamp() * 1e6)

    def broken() -> Iterator[dict[str, Any]]:
        for n in range(70):
            yield record(user_id, first + n)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        await client.all_of("import_data", broken())
    if isinstance(client.client, reflexio.AsyncReflexioClient):
        export = client.client.export_data(user_id)
        assert (await anext(export))["user_id"] == user_id
        await export.aclose()
    else:
        for one in client.client.export_data(user_id):
            assert one["user_id"] == user_id
            break
    assert (await client.whoami()).role == "admin"


async def test_erasing(client: Shell, user_id: str):
    await client.publish_interaction(user_id, [{"content": "a"}, {"content": "b"}], wait_for_response=True)
    answer = await client.erase_user(user_id)
    assert (answer.success, answer.deleted_requests_count, answer.deleted_interactions_count) == (True, 1, 2)
    assert (await client.erase_user(user_id)).deleted_requests_count == 0
    assert (await client.get_interactions(user_id)).interactions == []


async def test_retention(elsewhere: Shell):
    assert await elsewhere.get_retention() is None
    assert await elsewhere.set_retention(timedelta(days=30_000, microseconds=5)) == timedelta(days=30_000)
    assert await elsewhere.get_retention() == timedelta(days=30_000)
    assert await elsewhere.set_retention(None) is None
    assert await elsewhere.get_retention() is None
    for wrong in (30, "30d"):
        with pytest.raises(reflexio.InvalidArgumentError, match="max_age"):
            await elsewhere.set_retention(wrong)
    with pytest.raises(reflexio.InvalidArgumentError, match="max_age"):
        await elsewhere.set_retention(timedelta(minutes=59))


async def test_an_import_goes_on_where_the_connection_broke(wire_client: Shell, wire: WireServer):
    seen: list[str] = []

    def answer(requests: Any, context: grpc.ServicerContext) -> Iterator[pb.ImportDataResponse]:
        for place, request in enumerate(requests):
            if place == 20 and len(seen) < 60:
                refuse(context, UNAVAILABLE, "gone for a moment")
            seen.append(request.request.request_id)
            yield pb.ImportDataResponse(outcome=pb.IMPORT_OUTCOME_IMPORTED, request_id=request.request.request_id)

    wire.answers["ImportData"] = answer
    records = [record("u", n + 1) for n in range(100)]
    results = await wire_client.all_of("import_data", records)
    assert [result.request_id for result in results] == [one["request_id"] for one in records]
    assert list(dict.fromkeys(seen)) == [one["request_id"] for one in records]


async def test_an_export_that_breaks_says_so_and_does_not_begin_again(wire_client: Shell, wire: WireServer):
    begun = []

    def answer(request: Any, context: grpc.ServicerContext) -> Iterator[pb.ExportDataResponse]:
        begun.append(request)
        yield pb.ExportDataResponse(request=pb.RequestRecord(request_id="1"))
        refuse(context, UNAVAILABLE, "gone")

    wire.answers["ExportData"] = answer
    with pytest.raises(reflexio.UnavailableError):
        await wire_client.all_of("export_data")
    assert len(begun) == 1
    [metadata] = wire.metadata
    assert metadata["authorization"] == "Bearer key-1"
