"""Calls of the DataService."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration

from reflexio._calls.call import Call, Method
from reflexio._calls.fields import condition, flag, text, wrong_type
from reflexio._calls.records import record_from, record_to
from reflexio._channel import TimeoutClass
from reflexio._refusals import from_refusal
from reflexio.errors import InvalidArgumentError
from reflexio.models import EraseUserResponse, ImportOutcome, ImportResult
from reflexio.v1 import data_service_pb2 as pb

_SERVICE = "reflexio.v1.DataService"
ERASE = Method(_SERVICE, "EraseUser", pb.EraseUserRequest, pb.EraseUserResponse)
EXPORT = Method(_SERVICE, "ExportData", pb.ExportDataRequest, pb.ExportDataResponse)
IMPORT = Method(_SERVICE, "ImportData", pb.ImportDataRequest, pb.ImportDataResponse, streams_requests=True)
GET_RETENTION = Method(_SERVICE, "GetRetention", pb.GetRetentionRequest, pb.GetRetentionResponse)
UPDATE_RETENTION = Method(_SERVICE, "UpdateRetention", pb.UpdateRetentionRequest, pb.UpdateRetentionResponse)

_OUTCOMES = {
    pb.IMPORT_OUTCOME_IMPORTED: ImportOutcome.IMPORTED,
    pb.IMPORT_OUTCOME_ALREADY_THERE: ImportOutcome.ALREADY_THERE,
}


def erase_user(*, user_id: Any) -> Call[EraseUserResponse]:
    """Removes everything of a user."""

    def read(answer: pb.EraseUserResponse) -> EraseUserResponse:
        return EraseUserResponse(
            message=answer.message,
            deleted_requests_count=answer.deleted_requests_count,
            deleted_interactions_count=answer.deleted_interactions_count,
        )

    return Call(ERASE, pb.EraseUserRequest(user_id=text("user_id", user_id)), read, TimeoutClass.WAITING)


def export(
    *, user_id: Any, include_images: Any, on_totals: Callable[[int, int], object] | None
) -> Call[dict[str, Any] | None]:
    """Asks for everything. Of its answers, those that are no record are read as None."""
    request = pb.ExportDataRequest(
        user_id=condition("user_id", user_id), omit_images=not flag("include_images", include_images)
    )

    def read(answer: pb.ExportDataResponse) -> dict[str, Any] | None:
        if answer.HasField("totals") and on_totals is not None:
            on_totals(answer.totals.requests_count, answer.totals.interactions_count)
        return record_from(answer.request) if answer.HasField("request") else None

    return Call(EXPORT, request, read)


def import_record(record: Any) -> Call[ImportResult]:
    """One message of an import, and how to read its answer.

    Raises:
        InvalidArgumentError: It is no record.
    """
    message = record_to(record)

    def read(answer: pb.ImportDataResponse) -> ImportResult:
        error = from_refusal(answer.refusal, _argument) if answer.HasField("refusal") else None
        return ImportResult(
            outcome=_OUTCOMES.get(answer.outcome, ImportOutcome.REFUSED),
            request_id=message.request_id,
            interactions_count=answer.imported_interactions_count,
            error=error,
        )

    return Call(IMPORT, pb.ImportDataRequest(request=message), read)


def refused(record: Any, error: InvalidArgumentError) -> ImportResult:
    """The result for what is no record, without asking the server."""
    given = record.get("request_id") if isinstance(record, Mapping) else None
    return ImportResult(outcome=ImportOutcome.REFUSED, request_id=given if isinstance(given, str) else "", error=error)


def get_retention() -> Call[timedelta | None]:
    """Asks for how long data is kept."""
    return Call(GET_RETENTION, pb.GetRetentionRequest(), _max_age)


def set_retention(*, max_age: Any) -> Call[timedelta | None]:
    """Says for how long data is to be kept."""
    request = pb.UpdateRetentionRequest()
    if isinstance(max_age, timedelta):
        request.max_age.FromTimedelta(max_age)
    elif max_age is not None:
        raise wrong_type("max_age", "a timedelta or None", max_age)
    return Call(UPDATE_RETENTION, request, _max_age)


def _max_age(answer: pb.GetRetentionResponse | pb.UpdateRetentionResponse) -> timedelta | None:
    return _timedelta(answer.max_age) if answer.HasField("max_age") else None


def _timedelta(duration: Duration) -> timedelta:
    return timedelta(seconds=duration.seconds)


def _argument(path: str) -> str:
    path = path.removeprefix("request.")
    return f"{path}_encoding" if path.endswith("].image") else path
