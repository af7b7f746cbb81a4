#include "conformance/calls.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <array>
#include <cstring>
#include <future>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "reflexio/v1/access_service.grpc.pb.h"
#include "reflexio/v1/data_service.grpc.pb.h"
#include "reflexio/v1/interaction_service.grpc.pb.h"
#include "reflexio/v1/request_service.grpc.pb.h"
#include "reflexio/v1/server_service.grpc.pb.h"

namespace conformance {
namespace {

using namespace reflexio::v1;
using grpc::ClientContext;

// So that a server that is started again is found: a channel that was idle meanwhile may notice only when it writes.
// Not all of AccessService may be repeated.
constexpr char kPatience[] = R"({"methodConfig": [
    {"name": [{}], "waitForReady": true},
    {"name": [{"service": "reflexio.v1.DataService"}, {"service": "reflexio.v1.InteractionService"},
              {"service": "reflexio.v1.RequestService"}, {"service": "reflexio.v1.ServerService"}],
     "waitForReady": true,
     "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
                     "retryableStatusCodes": ["UNAVAILABLE"]}}]})";

// By their codes.
constexpr std::array kStatusNames = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

template <class Request>
Request read(const json& request) {
  Request message;
  const auto status = google::protobuf::util::JsonStringToMessage(request.dump(), &message);
  if (!status.ok()) throw std::runtime_error(status.ToString());
  return message;
}

json written(const google::protobuf::Message& message) {
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text);
  if (!status.ok()) throw std::runtime_error(status.ToString());
  return json::parse(text);
}

template <class Reader, class Response>
grpc::Status read_all(Reader& reader, Response response, json& answer) {
  answer["messages"] = json::array();
  while (reader.Read(&response)) answer["messages"].push_back(written(response));
  return reader.Finish();
}

// A method with a stub to call it on, under the name of its request.
struct Bound {
  std::string request;
  Method method;
};

template <class Stub, class Request, class Response>
Bound bound(std::shared_ptr<Stub> stub, grpc::Status (Stub::*method)(ClientContext*, const Request&, Response*)) {
  return {Request::descriptor()->name(), [=](ClientContext& context, const Requests& requests, json& answer) {
            Response response;
            const grpc::Status status = (*stub.*method)(&context, read<Request>(requests.at(0)), &response);
            if (status.ok()) answer = written(response);
            return status;
          }};
}

template <class Stub, class Request, class Response>
Bound bound(std::shared_ptr<Stub> stub,
            std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(ClientContext*, const Request&)) {
  return {Request::descriptor()->name(), [=](ClientContext& context, const Requests& requests, json& answer) {
            return read_all(*(*stub.*method)(&context, read<Request>(requests.at(0))), Response(), answer);
          }};
}

template <class Stub, class Request, class Response>
Bound bound(std::shared_ptr<Stub> stub,
            std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> (Stub::*method)(ClientContext*)) {
  return {Request::descriptor()->name(), [=](ClientContext& context, const Requests& requests, json& answer) {
            std::vector<Request> messages;
            for (const json& request : requests) messages.push_back(read<Request>(request));
            const auto stream = (*stub.*method)(&context);
            // Beside the reading: a server that waits for its answers to be read reads nothing itself.
            auto writing = std::async(std::launch::async, [&] {
              for (const Request& message : messages) {
                if (!stream->Write(message)) return;
              }
              stream->WritesDone();
            });
            return read_all(*stream, Response(), answer);
          }};
}

void add_detail(const google::protobuf::Any& detail, Outcome& outcome) {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  google::rpc::RetryInfo retry;
  if (detail.UnpackTo(&info) && info.domain() == "reflexio") {
    outcome.reason = info.reason();
    for (const auto& [name, value] : info.metadata()) outcome.metadata[name] = value;
  } else if (detail.UnpackTo(&bad)) {
    for (const auto& violation : bad.field_violations()) outcome.fields.push_back(violation.field());
  } else if (detail.UnpackTo(&retry)) {
    outcome.retry = google::protobuf::util::TimeUtil::DurationToNanoseconds(retry.retry_delay()) > 0;
  }
}

}  // namespace

template <class Service, class... Calling>
void Calls::add(const std::shared_ptr<grpc::Channel>& channel, Calling... calling) {
  const std::shared_ptr<typename Service::Stub> stub = Service::NewStub(channel);
  const std::string service = std::string(Service::service_full_name()).substr(std::strlen("reflexio.v1."));
  for (const Bound& one : {bound(stub, calling)...}) {
    const std::string name = one.request.substr(0, one.request.size() - std::strlen("Request"));
    methods_[service + "/" + name] = one.method;
  }
}

Calls::Calls(const std::string& target, std::string key) : key_(std::move(key)) {
  grpc::ChannelArguments options;
  options.SetServiceConfigJSON(kPatience);
  const auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), options);
  using Access = AccessService::Stub;
  add<AccessService>(channel, &Access::Login, &Access::ChangePassword, &Access::CreateApiKey, &Access::ListApiKeys,
                     &Access::RevokeApiKey, &Access::CreateAccount, &Access::ListAccounts, &Access::UpdateAccount,
                     &Access::CreateOrganization, &Access::ListOrganizations, &Access::CreateCertificateIdentity,
                     &Access::ListCertificateIdentities, &Access::DeleteCertificateIdentity, &Access::ListAuditEvents);
  using Data = DataService::Stub;
  add<DataService>(channel, &Data::EraseUser, &Data::ExportData, &Data::ImportData, &Data::GetRetention,
                   &Data::UpdateRetention);
  using Interactions = InteractionService::Stub;
  add<InteractionService>(channel, &Interactions::PublishInteractions, &Interactions::StreamPublishInteractions,
                          &Interactions::SearchInteractions, &Interactions::ListInteractions,
                          &Interactions::ListAllInteractions, &Interactions::DeleteInteraction);
  using Sessions = RequestService::Stub;
  add<RequestService>(channel, &Sessions::ListRequests, &Sessions::DeleteRequest, &Sessions::BatchDeleteRequests,
                      &Sessions::DeleteSession, &Sessions::DeleteAllInteractions);
  using Server = ServerService::Stub;
  add<ServerService>(channel, &Server::WhoAmI, &Server::GetServerInfo, &Server::StartReindex, &Server::CancelReindex);
}

Outcome Calls::make(const std::string& rpc, const Requests& requests, const std::optional<std::string>& key,
                    std::chrono::milliseconds deadline) const {
  ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  const std::string& chosen = key ? *key : key_;
  if (!chosen.empty()) context.AddMetadata("authorization", "Bearer " + chosen);

  Outcome outcome;
  const grpc::Status status = methods_.at(rpc)(context, requests, outcome.answer);
  outcome.status = kStatusNames.at(status.error_code());
  outcome.message = status.error_message();
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  for (const auto& detail : details.details()) add_detail(detail, outcome);
  return outcome;
}

}  // namespace conformance
