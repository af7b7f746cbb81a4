import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import com.reflexio.v1.*;
import io.grpc.*;
import io.grpc.protobuf.StatusProto;
import java.io.File;
import java.util.*;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** Publishes over TLS with a key, tries again while the server is away, and says why it was refused. */
public final class Robust {
  // Numbers in a service config are doubles.
  static final Map<String, ?> RETRIES = Map.of("methodConfig", List.of(Map.of(
      "name", List.of(Map.of("service", "reflexio.v1.InteractionService")),
      "retryPolicy", Map.of("maxAttempts", 5.0, "initialBackoff", "0.1s", "maxBackoff", "1s", "backoffMultiplier", 2.0,
          "retryableStatusCodes", List.of("UNAVAILABLE")))));

  /** A key, which travels over TLS only. */
  static final class Key extends CallCredentials {
    private static final Metadata.Key<String> NAME = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    @Override
    public void applyRequestMetadata(RequestInfo request, Executor executor, MetadataApplier applier) {
      Metadata headers = new Metadata();
      headers.put(NAME, "Bearer " + System.getenv("REFLEXIO_API_KEY"));
      applier.apply(headers);
    }

    @Override
    public void thisUsesUnstableApi() {}
  }

  public static void main(String[] arguments) throws Exception {
    String authorities = System.getenv("REFLEXIO_CA");
    ChannelCredentials tls = authorities == null ? TlsChannelCredentials.create() // Trusts whom Java trusts.
        : TlsChannelCredentials.newBuilder().trustManager(new File(authorities)).build();
    ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], CompositeChannelCredentials.create(tls, new Key()))
        .defaultServiceConfig(RETRIES).enableRetry().build();
    PublishInteractionsRequest publish = PublishInteractionsRequest.newBuilder().setUserId("ana")
        .addInteractions(NewInteraction.newBuilder().setContent("I have moved to Lisbon."))
        .setIdempotencyKey(UUID.randomUUID().toString()).build(); // A repetition under it stores nothing.
    try {
      var stub = InteractionServiceGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);
      System.out.println(stub.publishInteractions(publish).getMessage());
    } catch (StatusRuntimeException error) {
      String reason = error.getStatus().getCode().name();
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) reason = detail.unpack(ErrorInfo.class).getReason();
      }
      System.err.println(reason + ": " + error.getStatus().getDescription());
      System.exit(1);
    } finally {
      channel.shutdownNow();
    }
  }
}
