package conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import com.reflexio.v1.AccessServiceGrpc;
import com.reflexio.v1.DataServiceGrpc;
import com.reflexio.v1.InteractionServiceGrpc;
import com.reflexio.v1.RequestServiceGrpc;
import com.reflexio.v1.ServerServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** One channel to the server, and the methods of the generated services by their names. */
final class Calls implements AutoCloseable {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final List<ServiceDescriptor> SERVICES =
      List.of(
          AccessServiceGrpc.getServiceDescriptor(),
          DataServiceGrpc.getServiceDescriptor(),
          InteractionServiceGrpc.getServiceDescriptor(),
          RequestServiceGrpc.getServiceDescriptor(),
          ServerServiceGrpc.getServiceDescriptor());

  private final Map<String, MethodDescriptor<?, ?>> methods = new HashMap<>();
  private final ManagedChannel channel;
  private final String key;

  /** Opens the channel. Calls have the key unless they are given another one. */
  Calls(String target, String key) {
    this.key = key;
    channel = ManagedChannelBuilder.forTarget(target).usePlaintext().build();
    for (ServiceDescriptor service : SERVICES) {
      service.getMethods().forEach(method -> methods.put(method.getFullMethodName(), method));
    }
  }

  @Override
  public void close() {
    channel.shutdownNow();
  }

  /**
   * Makes a call of any kind.
   *
   * @param requests in proto3 JSON: one, or all of a stream
   * @param otherKey null for the usual one, empty for none
   */
  Outcome make(String rpc, List<JsonObject> requests, String otherKey, long deadlineMillis) throws Exception {
    return make(methods.get("reflexio.v1." + rpc), requests, otherKey == null ? key : otherKey, deadlineMillis);
  }

  private <Q, A> Outcome make(MethodDescriptor<Q, A> method, List<JsonObject> requests, String key, long deadlineMillis)
      throws Exception {
    // Waits for the connection, so that a server that is started again is found.
    CallOptions options =
        CallOptions.DEFAULT.withWaitForReady().withDeadlineAfter(deadlineMillis, TimeUnit.MILLISECONDS);
    Channel calling = withKey(key);
    try {
      if (method.getType() == MethodDescriptor.MethodType.UNARY) {
        Q request = read(method, requests.get(0));
        return Outcome.of(written(ClientCalls.blockingUnaryCall(calling, method, options, request)));
      }
      JsonArray messages = new JsonArray();
      if (method.getType() == MethodDescriptor.MethodType.SERVER_STREAMING) {
        var responses =
            ClientCalls.blockingServerStreamingCall(calling, method, options, read(method, requests.get(0)));
        while (responses.hasNext()) {
          messages.add(written(responses.next()));
        }
      } else {
        Answers<A> answers = new Answers<>();
        StreamObserver<Q> sending = ClientCalls.asyncBidiStreamingCall(calling.newCall(method, options), answers);
        for (JsonObject request : requests) {
          sending.onNext(read(method, request));
        }
        sending.onCompleted();
        for (A answer = answers.next(); answer != null; answer = answers.next()) {
          messages.add(written(answer));
        }
      }
      JsonObject all = new JsonObject();
      all.add("messages", messages);
      return Outcome.of(all);
    } catch (StatusRuntimeException error) {
      return Outcome.of(error);
    }
  }

  private Channel withKey(String key) {
    Metadata metadata = new Metadata();
    if (!key.isEmpty()) {
      metadata.put(AUTHORIZATION, "Bearer " + key);
    }
    return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
  }

  @SuppressWarnings("unchecked")
  private static <Q> Q read(MethodDescriptor<Q, ?> method, JsonObject request) throws InvalidProtocolBufferException {
    var marshaller = (MethodDescriptor.PrototypeMarshaller<Q>) method.getRequestMarshaller();
    Message.Builder builder = ((Message) marshaller.getMessagePrototype()).newBuilderForType();
    JsonFormat.parser().merge(request.toString(), builder);
    return (Q) builder.build();
  }

  private static JsonElement written(Object message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().omittingInsignificantWhitespace().print((Message) message));
  }

  /** What a stream answers, in order: messages, then an error or the end. */
  private static final class Answers<A> implements StreamObserver<A> {
    private static final Object END = new Object();
    private final BlockingQueue<Object> queue = new LinkedBlockingQueue<>();

    @Override
    public void onNext(A answer) {
      queue.add(answer);
    }

    @Override
    public void onError(Throwable error) {
      queue.add(error);
    }

    @Override
    public void onCompleted() {
      queue.add(END);
    }

    /** The next message; null at the end. */
    @SuppressWarnings("unchecked")
    A next() throws InterruptedException {
      Object next = queue.take();
      if (next instanceof StatusRuntimeException) {
        throw (StatusRuntimeException) next;
      }
      return next == END ? null : (A) next;
    }
  }
}
