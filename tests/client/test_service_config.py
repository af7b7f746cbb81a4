"""The policy file applies: gRPC ignores a misspelt service without a word."""

from reflexio._channel import TimeoutClass, service_config, timeout_seconds
from reflexio.v1 import (
    access_service_pb2,
    data_service_pb2,
    interaction_service_pb2,
    request_service_pb2,
    server_service_pb2,
)

from tests.client.wire import METHODS

MODULES = (data_service_pb2, interaction_service_pb2, request_service_pb2, server_service_pb2, access_service_pb2)
FILES = [module.DESCRIPTOR for module in MODULES]
SERVICES = {service.full_name: service for file in FILES for service in file.services_by_name.values()}


def repeated_calls():
    [group] = [group for group in service_config()["methodConfig"] if "retryPolicy" in group]
    return group


def test_streams_of_requests_are_left_to_the_client():
    [group] = [group for group in service_config()["methodConfig"] if "retryPolicy" not in group]
    streams = {
        (service.full_name, method.name)
        for service in SERVICES.values()
        for method in service.methods
        if method.client_streaming
    }

    assert {(name["service"], name["method"]) for name in group["name"]} == streams
    assert {(method.service, method.name) for method in METHODS if method.streams_requests} == streams


def test_every_service_has_a_retry_policy_and_none_is_misspelt():
    group = repeated_calls()

    assert {name["service"] for name in group["name"]} == set(SERVICES)
    assert {name["method"] for name in group["name"] if "method" in name} <= set(
        SERVICES["reflexio.v1.AccessService"].methods_by_name
    )


def test_what_makes_something_new_each_time_is_not_repeated():
    group = repeated_calls()
    repeated = {name["method"] for name in group["name"] if "method" in name}

    assert not [name for name in repeated if name.startswith(("Create", "Delete", "Login", "ChangePassword"))]
    assert {name["service"] for name in group["name"] if "method" in name} == {"reflexio.v1.AccessService"}


def test_only_what_is_unavailable_is_tried_again():
    group = repeated_calls()

    assert group["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]


def test_every_timeout_class_has_its_seconds():
    assert set(service_config()["timeouts"]) == {kind.value for kind in TimeoutClass}
    assert (
        timeout_seconds(TimeoutClass.QUICK)
        < timeout_seconds(TimeoutClass.USUAL)
        < timeout_seconds(TimeoutClass.WAITING)
    )


def test_the_methods_that_are_called_are_those_of_the_contract():
    declared = {
        (f"/{service.full_name}/{method.name}", method.input_type.full_name, method.output_type.full_name)
        for service in SERVICES.values()
        for method in service.methods
    }

    assert declared == {
        (method.path, method.request_type.DESCRIPTOR.full_name, method.response_type.DESCRIPTOR.full_name)
        for method in METHODS
    }
