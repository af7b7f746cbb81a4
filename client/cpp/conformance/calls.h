// The calls of the table, made through the generated stubs with protobuf's JSON mapping.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace conformance {

using nlohmann::json;

// How a call ended: its answer in proto3 JSON, or its error with what the details say.
struct Outcome {
  json answer;
  std::string status = "OK";
  std::string message;
  std::string reason;
  json metadata = json::object();
  json fields = json::array();
  bool retry = false;
};

using Requests = std::vector<json>;
using Method = std::function<grpc::Status(grpc::ClientContext&, const Requests&, json& answer)>;

// One channel to the server, and the methods of the generated stubs by their names.
class Calls {
 public:
  // Opens the channel. Calls have the key unless they are given another one.
  Calls(const std::string& target, std::string key);

  // Makes a call of any kind. `requests` are in proto3 JSON: one, or all of a stream; an empty key is none.
  Outcome make(const std::string& rpc, const Requests& requests, const std::optional<std::string>& key,
               std::chrono::milliseconds deadline) const;

 private:
  template <class Service, class... Calling>
  void add(const std::shared_ptr<grpc::Channel>& channel, Calling... calling);

  std::string key_;
  std::map<std::string, Method> methods_;
};

}  // namespace conformance
