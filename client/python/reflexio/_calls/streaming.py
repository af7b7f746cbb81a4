"""The publishes of a stream: what is sent for each, and how its acknowledgement is read."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, cast

from reflexio import errors
from reflexio._calls.call import Call, Method
from reflexio._calls.fields import refuse_unknown, wrong_type
from reflexio._calls.publishing import publish
from reflexio._refusals import from_refusal
from reflexio.models import PublishData, PublishUserInteractionResponse
from reflexio.v1 import interaction_service_pb2 as pb

STREAM_PUBLISH = Method(
    "reflexio.v1.InteractionService",
    "StreamPublishInteractions",
    pb.StreamPublishInteractionsRequest,
    pb.StreamPublishInteractionsResponse,
    streams_requests=True,
)

_DEFAULTS: dict[str, Any] = {
    "source": "",
    "agent_version": "",
    "session_id": None,
    "wait_for_response": False,
    "skip_aggregation": False,
    "force_extraction": False,
    "request_group": None,
    "idempotency_key": None,
}
_KEYS = tuple(field.name for field in fields(PublishData))


Result = PublishUserInteractionResponse | errors.ReflexioError


def streamed(given: Any, endpoint_url: str) -> tuple[pb.StreamPublishInteractionsRequest, Callable[[Any], Result]]:
    """One publish of a stream, and what reads its acknowledgement: the answer, or the error of a refusal.

    Raises:
        InvalidArgumentError: It cannot be sent.
    """
    if isinstance(given, PublishData):
        values = {key: getattr(given, key) for key in _KEYS}
    elif isinstance(given, Mapping):
        refuse_unknown("", given, _KEYS)
        missing = [key for key in ("user_id", "interactions") if key not in given]
        if missing:
            raise errors.invalid_argument(missing[0], "is missing")
        values = {**_DEFAULTS, **given}
    else:
        raise wrong_type("publish", "a dict or PublishData", given)
    single = publish(**values, endpoint_url=endpoint_url)
    request = pb.StreamPublishInteractionsRequest()
    request.publish.MergeFrom(single.request)  # type: ignore[arg-type]  # A call knows its request as a message only.

    def read(answer: pb.StreamPublishInteractionsResponse) -> Result:
        outcome = answer.WhichOneof("outcome")
        if outcome == "published":
            response: Any = single.read(answer.published)
            return cast(PublishUserInteractionResponse, response)
        if outcome is None:
            # A server of a later version may have other ones. Whether it stored anything cannot be told.
            return errors.ReflexioError(
                "the server answered with an outcome that this version of the client does not know"
            )
        return _error_from(answer, single)

    return request, read


def _error_from(answer: pb.StreamPublishInteractionsResponse, single: Call[Any]) -> errors.ReflexioError:
    refusal = answer.refusal
    return from_refusal(refusal, lambda path: single.argument_name(path.removeprefix("publish.")))
