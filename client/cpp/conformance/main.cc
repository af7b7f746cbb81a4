// `runner host:port cases.json [case…]`: the runner that tests/conformance/README.md describes.
#include <google/protobuf/stubs/common.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <set>

#include "conformance/calls.h"
#include "conformance/table.h"

namespace conformance {
namespace {

constexpr int kUsualMilliseconds = 30'000;

void say(const json& line) { std::cout << line.dump() << std::endl; }

std::string hexadecimal(int digits) {
  static std::random_device random;
  std::string text;
  while (digits-- > 0) text += "0123456789abcdef"[random() % 16];
  return text;
}

std::string uuid() {
  return hexadecimal(8) + "-" + hexadecimal(4) + "-4" + hexadecimal(3) + "-8" + hexadecimal(3) + "-" + hexadecimal(12);
}

// One run of one case.
class Run {
 public:
  explicit Run(const Calls& calls) : calls_(calls), values_{{"unique", hexadecimal(16)}, {"uuid", uuid()}} {}

  // Does one step. Throws Unexpected where it does not end as the table says.
  void perform(const json& step) {
    const std::string kind = step.at("do");
    if (kind == "restart") {
      say({{"restart", true}});
      std::string line;
      std::getline(std::cin, line);
    } else if (kind == "exchange") {
      exchange(filled_in(step, values_));
    } else if (kind == "pages") {
      pages(filled_in(step, values_));
    } else {
      for (int index = 0; index < step.value("times", 1); ++index) {
        Values known = values_;
        known["index"] = std::to_string(index);
        const json filled = filled_in(step, known);
        judge(filled, make(filled, {expanded(filled)}));
      }
    }
  }

 private:
  void exchange(const json& step) {
    std::vector<json> requests = step.value("requests", std::vector<json>());
    for (int index = 0; index < step.value("times", 0); ++index) {
      requests.push_back(filled_in(step.at("request"), {{"index", std::to_string(index)}}));
    }
    judge(step, make(step, requests));
  }

  void pages(const json& step) {
    json all = {{"pages", 0}, {"items", json::array()}};
    json request = step.at("request");
    int pages = 0;
    do {
      const Outcome outcome = make(step, {request});
      if (outcome.status != "OK") return judge(step, outcome);
      all["pages"] = ++pages;
      const json items = at(outcome.answer, step.at("items"));
      all["items"].insert(all["items"].end(), items.begin(), items.end());
      request["pageToken"] = outcome.answer.value("nextPageToken", "");
    } while (request["pageToken"] != "");
    Outcome outcome;
    outcome.answer = all;
    judge(step, outcome);
  }

  Outcome make(const json& step, const std::vector<json>& requests) const {
    const std::chrono::milliseconds deadline(step.value("deadline_ms", kUsualMilliseconds));
    const auto key = step.contains("key") ? std::optional<std::string>(step["key"]) : std::nullopt;
    return calls_.make(step.at("rpc"), requests, key, deadline);
  }

  void judge(const json& step, const Outcome& outcome) {
    const std::string expected = step.value("status", "OK");
    if (outcome.status != expected) {
      throw Unexpected("expected " + expected + ", found " + outcome.status + " " + outcome.reason + ": " +
                       outcome.message);
    }
    const json details = {{"reason", outcome.reason}, {"fields", outcome.fields}, {"retry", outcome.retry}};
    for (const auto& [name, found] : details.items()) {
      if (step.contains(name)) compare(name, step[name], found);
    }
    for (const auto& [name, value] : part(step, "metadata").items()) {
      compare("metadata " + name, value, outcome.metadata.value(name, json()));
    }
    look_at(outcome.answer, step);
    for (const auto& [name, path] : part(step, "save").items()) {
      const json kept = at(outcome.answer, path);
      if (!kept.is_string()) throw Unexpected("there is no text at " + path.dump());
      values_[name] = kept;
    }
  }

  const Calls& calls_;
  Values values_;
};

void run(const json& test, const Calls& calls) {
  const auto began = std::chrono::steady_clock::now();
  std::string error;
  Run running(calls);
  int number = 0;
  for (const json& step : test.at("steps")) {
    ++number;
    try {
      running.perform(step);
    } catch (const std::exception& problem) {
      const std::string what = step.value("rpc", step.at("do"));
      error = "step " + std::to_string(number) + ", " + what + ": " + problem.what();
      break;
    }
  }
  const auto passed = std::chrono::steady_clock::now() - began;
  const double seconds = std::chrono::duration_cast<std::chrono::milliseconds>(passed).count() / 1000.0;
  say({{"case", test.at("name")}, {"ok", error.empty()}, {"seconds", seconds}, {"error", error}});
}

}  // namespace
}  // namespace conformance

int main(int argc, char** argv) {
  using namespace conformance;
  if (argc < 3 || std::getenv("REFLEXIO_API_KEY") == nullptr) {
    std::cerr << "REFLEXIO_API_KEY=… " << argv[0] << " host:port cases.json [case…]\n";
    return 2;
  }
  const std::set<std::string> names(argv + 3, argv + argc);
  say({{"versions",
        {{"g++", __VERSION__},
         {"grpc", grpc::Version()},
         {"protobuf", google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION)}}}});
  const Calls calls(argv[1], std::getenv("REFLEXIO_API_KEY"));
  const json table = json::parse(std::ifstream(argv[2]));
  for (const json& test : table.at("cases")) {
    if (names.empty() || names.count(test.at("name")) > 0) run(test, calls);
  }
}
