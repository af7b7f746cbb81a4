package conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

/** How a call ended: its answer in proto3 JSON, or its error with what the details say. */
final class Outcome {
  JsonElement answer = JsonNull.INSTANCE;
  String status = "OK";
  String message = "";
  String reason = "";
  final JsonObject metadata = new JsonObject();
  final JsonArray fields = new JsonArray();
  boolean retry;

  static Outcome of(JsonElement answer) {
    Outcome outcome = new Outcome();
    outcome.answer = answer;
    return outcome;
  }

  static Outcome of(StatusRuntimeException error) throws InvalidProtocolBufferException {
    Outcome outcome = new Outcome();
    outcome.status = error.getStatus().getCode().name();
    outcome.message = String.valueOf(error.getStatus().getDescription());
    for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
      outcome.add(detail);
    }
    return outcome;
  }

  private void add(Any detail) throws InvalidProtocolBufferException {
    if (detail.is(ErrorInfo.class)) {
      ErrorInfo info = detail.unpack(ErrorInfo.class);
      if (info.getDomain().equals("reflexio")) {
        reason = info.getReason();
        info.getMetadataMap().forEach(metadata::addProperty);
      }
    } else if (detail.is(BadRequest.class)) {
      detail.unpack(BadRequest.class).getFieldViolationsList().forEach(broken -> fields.add(broken.getField()));
    } else if (detail.is(RetryInfo.class)) {
      retry = Durations.toNanos(detail.unpack(RetryInfo.class).getRetryDelay()) > 0;
    }
  }
}
