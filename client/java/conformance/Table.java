package conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads steps of tests/conformance/cases.json: placeholders, paths, and what is expected of an answer. */
final class Table {
  private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{([\\w-]+)\\}\\}");
  private static final int MOST_CHARACTERS = 300;

  private Table() {}

  /** The value with every placeholder replaced of which the value is known. */
  static JsonObject filledIn(JsonObject value, Map<String, String> values) {
    String text =
        PLACEHOLDER
            .matcher(value.toString())
            .replaceAll(found -> Matcher.quoteReplacement(values.getOrDefault(found.group(1), found.group())));
    return JsonParser.parseString(text).getAsJsonObject();
  }

  /** The request of a step, with the elements of its lists repeated. */
  static JsonObject expanded(JsonObject step) {
    JsonObject request = step.getAsJsonObject("request");
    for (var wish : part(step, "expand").entrySet()) {
      JsonArray repeated = new JsonArray();
      for (int i = 0; i < wish.getValue().getAsInt(); i++) {
        repeated.addAll(request.getAsJsonArray(wish.getKey()));
      }
      request.add(wish.getKey(), repeated);
    }
    return request;
  }

  /** A part of a step that is an object; empty where the step does not have it. */
  static JsonObject part(JsonObject step, String name) {
    return step.has(name) ? step.getAsJsonObject(name) : new JsonObject();
  }

  /** What is at a path; null where there is nothing. */
  static JsonElement at(JsonElement value, String path) {
    return at(value, List.of(path.split("\\.")));
  }

  /** How many elements the list at a path has. */
  private static List<JsonElement> listAt(JsonElement value, String path) {
    JsonElement found = at(value, path);
    List<JsonElement> elements = new ArrayList<>();
    if (found != null) {
      found.getAsJsonArray().forEach(elements::add);
    }
    return elements;
  }

  private static JsonElement at(JsonElement value, List<String> names) {
    for (int i = 0; i < names.size(); i++) {
      String name = names.get(i);
      if (name.equals("*")) {
        return inEach(value, names.subList(i + 1, names.size()));
      } else if (value instanceof JsonArray) {
        JsonArray list = (JsonArray) value;
        int index = Integer.parseInt(name);
        value = index < list.size() ? list.get(index) : null;
      } else {
        value = value instanceof JsonObject ? ((JsonObject) value).get(name) : null;
      }
    }
    return value;
  }

  private static JsonArray inEach(JsonElement elements, List<String> rest) {
    JsonArray all = new JsonArray();
    if (elements == null) {
      return all;
    }
    for (JsonElement element : elements.getAsJsonArray()) {
      JsonElement found = at(element, rest);
      if (rest.contains("*")) {
        all.addAll(found.getAsJsonArray());
      } else if (found != null) {
        all.add(found);
      }
    }
    return all;
  }

  /** Compares an answer with what the step expects of it. */
  static void lookAt(JsonElement answer, JsonObject step) throws Unexpected {
    for (var wish : part(step, "answer").entrySet()) {
      JsonElement found = at(answer, wish.getKey());
      compare(wish.getKey(), wish.getValue(), found == null ? JsonNull.INSTANCE : found);
    }
    for (var wish : part(step, "count").entrySet()) {
      int found = listAt(answer, wish.getKey()).size();
      compare("elements of " + wish.getKey(), wish.getValue(), new JsonPrimitive(found));
    }
    for (var wish : part(step, "distinct").entrySet()) {
      int found = new HashSet<>(listAt(answer, wish.getKey())).size();
      compare("different elements of " + wish.getKey(), wish.getValue(), new JsonPrimitive(found));
    }
  }

  /** Compares one value with another. */
  static void compare(String what, JsonElement expected, JsonElement found) throws Unexpected {
    // Gson compares lists, objects and texts by what is in them, and numbers by their values.
    if (!expected.equals(found)) {
      throw new Unexpected(what + ": expected " + brief(expected) + ", found " + brief(found));
    }
  }

  private static String brief(JsonElement value) {
    String text = value.toString();
    return text.substring(0, Math.min(text.length(), MOST_CHARACTERS));
  }
}
