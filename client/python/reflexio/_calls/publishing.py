"""The call that publishes."""

import uuid
from typing import Any

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import condition, flag, optional_text, text
from reflexio._calls.publish_input import new_interactions
from reflexio._calls.sessions import session_name, session_rename
from reflexio._channel import TimeoutClass
from reflexio.models import PublishUserInteractionResponse
from reflexio.v1 import interaction_service_pb2 as pb

PUBLISH = Method(
    "reflexio.v1.InteractionService",
    "PublishInteractions",
    pb.PublishInteractionsRequest,
    pb.PublishInteractionsResponse,
)


def publish(
    *,
    user_id: Any,
    interactions: Any,
    source: Any,
    agent_version: Any,
    session_id: Any,
    wait_for_response: Any,
    skip_aggregation: Any,
    force_extraction: Any,
    request_group: Any,
    idempotency_key: Any,
    endpoint_url: str,
) -> Call[PublishUserInteractionResponse]:
    """One publish. It is given an idempotency key where it has none, so that repetitions are recognised."""
    request = pb.PublishInteractionsRequest(
        user_id=text("user_id", user_id),
        interactions=new_interactions(interactions),
        source=optional_text("source", source),
        agent_version=optional_text("agent_version", agent_version),
        session_id=session_name(
            optional_text("session_id", session_id) or None, optional_text("request_group", request_group) or None
        ),
        wait_for_response=flag("wait_for_response", wait_for_response),
        skip_aggregation=flag("skip_aggregation", skip_aggregation),
        force_extraction=flag("force_extraction", force_extraction),
        idempotency_key=condition("idempotency_key", idempotency_key) or str(uuid.uuid4()),
    )

    def read(answer: pb.PublishInteractionsResponse) -> PublishUserInteractionResponse:
        return _response(answer, endpoint_url)

    timeout_class = TimeoutClass.WAITING if wait_for_response else TimeoutClass.USUAL
    return Call(PUBLISH, request, read, timeout_class, session_rename(session_id or None))


def _response(answer: pb.PublishInteractionsResponse, endpoint_url: str) -> PublishUserInteractionResponse:
    response = PublishUserInteractionResponse(message=answer.message, warnings=list(answer.warnings))
    if answer.HasField("result"):
        result = answer.result
        response.request_id = result.request_id
        response.interaction_ids = list(result.interaction_ids)
        response.endpoint_url = endpoint_url
        response.storage_type = result.storage_type
        response.storage_label = result.storage_label
        response.profiles_added = result.learned.profiles_added
        response.profiles_updated = result.learned.profiles_updated
        response.playbooks_added = result.learned.playbooks_added
        response.playbooks_updated = result.learned.playbooks_updated
    return response
