"""What a stranger can find out: reflection, the server's own description, request ids."""

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import StatusCode
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from reflexio.v1 import server_service_pb2 as pb
from reflexio_server import __version__

from tests.rpc.wire import METHODS, Caller, refused
from tests.running import Postgres, running_server

OURS = {method.containing_service.full_name for method in METHODS.values()}


async def reflect(call: Caller, **request: str) -> reflection_pb2.ServerReflectionResponse:
    stub = reflection_pb2_grpc.ServerReflectionStub(call.channel)
    answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**request)]))
    [answer] = [answer async for answer in answers]
    return answer


async def test_reflection_lists_all_services_with_their_methods(call: Caller):
    answer = await reflect(call, list_services="")
    names = {service.name for service in answer.list_services_response.service}
    assert names == OURS | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    for service in OURS:
        answer = await reflect(call, file_containing_symbol=service)
        files = map(FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)
        methods = {
            m.name for file in files for s in file.service if f"{file.package}.{s.name}" == service for m in s.method
        }
        assert methods == {m.name for m in METHODS.values() if m.containing_service.full_name == service}


async def test_reflection_can_be_off(postgres: Postgres):
    with running_server(postgres.new_database(), reflection=False) as server:
        async with grpc.aio.insecure_channel(server.target) as channel:
            # As if it had one request: on a stream, the refusal may come in the middle of sending.
            ask = channel.unary_unary("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await ask(b"")
        assert error.value.code() is StatusCode.UNIMPLEMENTED


async def test_the_server_describes_itself_without_secrets(call: Caller):
    info = await call("GetServerInfo", pb.GetServerInfoRequest())
    assert info.version == __version__
    assert (info.embedding_model, info.embedding_dimension) == ("words-64", 64)
    assert info.storage_type == "postgres"
    assert info.max_message_bytes == 32 * 1024 * 1024
    assert "@" not in info.storage_label


async def test_the_caller_is_the_local_administrator(call: Caller):
    me = await call("WhoAmI", pb.WhoAmIRequest())
    assert (me.organization_id, me.organization_name, me.role) == (1, "default", pb.ACCESS_ROLE_ADMIN)


@pytest.mark.parametrize(
    ("given", "told"),
    [("abc-123", "abc-123"), ("x" * 128, "x" * 128), ("x" * 129, None), (" spaced ", None), ("a b", "a b")],
)
async def test_a_request_id_of_the_caller_comes_back(call: Caller, given: str, told: str | None):
    refusal = await refused(call.send("WhoAmI", b"\xff", metadata=[("x-request-id", given)]))
    assert refusal.request_id
    assert refusal.request_id.isprintable()
    if told is not None:
        assert refusal.request_id == told
    else:
        assert len(refusal.request_id) == 32, "one that would be misread is replaced, not mended"


async def test_each_call_without_a_request_id_gets_its_own(call: Caller):
    ids = {(await refused(call.send("WhoAmI", b"\xff"))).request_id for _ in range(5)}
    assert len(ids) == 5
    assert "" not in ids


async def test_binary_and_repeated_request_ids_do_no_harm(call: Caller):
    metadata = [("x-request-id-bin", b"\x00\xff"), ("x-request-id", "first"), ("x-request-id", "second")]
    refusal = await refused(call.send("WhoAmI", b"\xff", metadata=metadata))
    assert refusal.request_id in {"first", "second"}
