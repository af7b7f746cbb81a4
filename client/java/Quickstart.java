import com.reflexio.v1.*;
import io.grpc.*;
import io.grpc.stub.MetadataUtils;
import java.util.*;
import java.util.concurrent.TimeUnit;

/** Publishes two interactions and finds one of them. */
public final class Quickstart {
  public static void main(String[] arguments) {
    Metadata metadata = new Metadata();
    String key = System.getenv("REFLEXIO_API_KEY");
    if (key != null) metadata.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + key);
    String address = arguments.length > 0 ? arguments[0] : "localhost:8081";
    ManagedChannel channel = ManagedChannelBuilder.forTarget(address).usePlaintext()
        .intercept(MetadataUtils.newAttachHeadersInterceptor(metadata)).build();
    var stub = InteractionServiceGrpc.newBlockingStub(channel);

    var publish = PublishInteractionsRequest.newBuilder().setUserId("ana").setIdempotencyKey(UUID.randomUUID().toString());
    for (String text : List.of("My phone battery is empty by noon.", "I have moved to Lisbon.")) {
      publish.addInteractions(NewInteraction.newBuilder().setContent(text));
    }
    stub.withDeadlineAfter(30, TimeUnit.SECONDS).publishInteractions(publish.build());

    var search = SearchInteractionsRequest.newBuilder().setUserId("ana").setQuery("Which city has she moved to?").setTopK(1);
    for (SearchHit hit : stub.withDeadlineAfter(10, TimeUnit.SECONDS).searchInteractions(search.build()).getHitsList()) {
      System.out.println(hit.getInteraction().getRole() + ": " + hit.getInteraction().getContent());
    }
    channel.shutdownNow();
  }
}
