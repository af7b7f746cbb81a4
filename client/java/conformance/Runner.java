package conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.Message;
import io.grpc.internal.GrpcUtil;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** {@code Runner host:port cases.json [case…]}: the runner that tests/conformance/README.md describes. */
public final class Runner {
  private static final long USUAL_MILLIS = 30_000;
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in));

  private final Calls calls;
  private final Map<String, String> values = new HashMap<>();

  private Runner(Calls calls) {
    this.calls = calls;
    values.put("unique", UUID.randomUUID().toString().replace("-", "").substring(16));
    values.put("uuid", UUID.randomUUID().toString());
  }

  public static void main(String[] arguments) throws Exception {
    JsonObject versions = new JsonObject();
    versions.addProperty("java", Runtime.version().toString());
    versions.addProperty("grpc", GrpcUtil.getGrpcBuildVersion().getImplementationVersion());
    versions.addProperty("protobuf", nameOfJar(Message.class).replaceAll("^protobuf-(java-)?|\\.jar$", ""));
    JsonObject line = new JsonObject();
    line.add("versions", versions);
    OUT.println(line);

    List<String> names = List.of(arguments).subList(2, arguments.length);
    JsonObject table = JsonParser.parseString(Files.readString(Path.of(arguments[1]))).getAsJsonObject();
    try (Calls calls = new Calls(arguments[0], System.getenv("REFLEXIO_API_KEY"))) {
      for (JsonElement element : table.getAsJsonArray("cases")) {
        JsonObject test = element.getAsJsonObject();
        if (names.isEmpty() || names.contains(test.get("name").getAsString())) {
          run(test, calls);
        }
      }
    }
  }

  /** The name with a version of the file that a class comes from: the file itself says no version. */
  private static String nameOfJar(Class<?> type) throws Exception {
    Path jar = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    return jar.toRealPath().getFileName().toString();
  }

  private static void run(JsonObject test, Calls calls) {
    long began = System.nanoTime();
    String error = "";
    Runner running = new Runner(calls);
    JsonArray steps = test.getAsJsonArray("steps");
    for (int number = 1; number <= steps.size() && error.isEmpty(); number++) {
      JsonObject step = steps.get(number - 1).getAsJsonObject();
      try {
        running.perform(step);
      } catch (Exception problem) {
        String what = (step.has("rpc") ? step.get("rpc") : step.get("do")).getAsString();
        error = "step " + number + ", " + what + ": " + problem;
      }
    }
    JsonObject line = new JsonObject();
    line.add("case", test.get("name"));
    line.addProperty("ok", error.isEmpty());
    line.addProperty("seconds", (System.nanoTime() - began) / 1_000_000 / 1000.0);
    line.addProperty("error", error);
    OUT.println(line);
  }

  private void perform(JsonObject step) throws Exception {
    switch (step.get("do").getAsString()) {
      case "restart":
        OUT.println("{\"restart\": true}");
        IN.readLine();
        break;
      case "exchange":
        exchange(Table.filledIn(step, values));
        break;
      case "pages":
        pages(Table.filledIn(step, values));
        break;
      default:
        int times = step.has("times") ? step.get("times").getAsInt() : 1;
        for (int index = 0; index < times; index++) {
          Map<String, String> known = new HashMap<>(values);
          known.put("index", String.valueOf(index));
          JsonObject filled = Table.filledIn(step, known);
          judge(filled, make(filled, List.of(Table.expanded(filled))));
        }
    }
  }

  private void exchange(JsonObject step) throws Exception {
    List<JsonObject> requests = new ArrayList<>();
    if (step.has("requests")) {
      step.getAsJsonArray("requests").forEach(request -> requests.add(request.getAsJsonObject()));
    } else {
      for (int index = 0; index < step.get("times").getAsInt(); index++) {
        requests.add(Table.filledIn(step.getAsJsonObject("request"), Map.of("index", String.valueOf(index))));
      }
    }
    judge(step, make(step, requests));
  }

  private void pages(JsonObject step) throws Exception {
    JsonArray items = new JsonArray();
    int pages = 0;
    JsonObject request = step.getAsJsonObject("request");
    JsonElement token = new JsonPrimitive("");
    while (token != null) {
      request.add("pageToken", token);
      Outcome outcome = make(step, List.of(request));
      if (!outcome.status.equals("OK")) {
        judge(step, outcome);
        return;
      }
      pages++;
      JsonElement found = Table.at(outcome.answer, step.get("items").getAsString());
      if (found != null) {
        items.addAll(found.getAsJsonArray());
      }
      token = outcome.answer.getAsJsonObject().get("nextPageToken");
    }
    JsonObject all = new JsonObject();
    all.addProperty("pages", pages);
    all.add("items", items);
    judge(step, Outcome.of(all));
  }

  private Outcome make(JsonObject step, List<JsonObject> requests) throws Exception {
    String key = step.has("key") ? step.get("key").getAsString() : null;
    long millis = step.has("deadline_ms") ? step.get("deadline_ms").getAsLong() : USUAL_MILLIS;
    return calls.make(step.get("rpc").getAsString(), requests, key, millis);
  }

  private void judge(JsonObject step, Outcome outcome) throws Unexpected {
    String expected = step.has("status") ? step.get("status").getAsString() : "OK";
    if (!expected.equals(outcome.status)) {
      String found = outcome.status + " " + outcome.reason + ": " + outcome.message;
      throw new Unexpected("expected " + expected + ", found " + found);
    }
    JsonObject details = new JsonObject();
    details.addProperty("reason", outcome.reason);
    details.add("fields", outcome.fields);
    details.addProperty("retry", outcome.retry);
    for (var detail : details.entrySet()) {
      if (step.has(detail.getKey())) {
        Table.compare(detail.getKey(), step.get(detail.getKey()), detail.getValue());
      }
    }
    if (!outcome.metadata.entrySet().containsAll(Table.part(step, "metadata").entrySet())) {
      throw new Unexpected("metadata: expected " + step.get("metadata") + ", found " + outcome.metadata);
    }
    Table.lookAt(outcome.answer, step);
    for (var wish : Table.part(step, "save").entrySet()) {
      JsonElement kept = Table.at(outcome.answer, wish.getValue().getAsString());
      if (!(kept instanceof JsonPrimitive && ((JsonPrimitive) kept).isString())) {
        throw new Unexpected("there is no text at " + wish.getValue());
      }
      values.put(wish.getKey(), kept.getAsString());
    }
  }
}
