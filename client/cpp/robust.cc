// Publishes over TLS with a key, tries again while the server is away, and says why it was refused.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "reflexio/v1/interaction_service.grpc.pb.h"

using namespace reflexio::v1;

constexpr char kRetries[] = R"({"methodConfig": [{
    "name": [{"service": "reflexio.v1.InteractionService"}],
    "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"]}}]})";

int main(int argc, char** argv) {
  const char* key = std::getenv("REFLEXIO_API_KEY");
  if (argc < 2 || key == nullptr) return 2;

  grpc::SslCredentialsOptions trusted;  // Without authorities: those that gRPC finds on the machine.
  if (const char* path = std::getenv("REFLEXIO_CA")) {
    std::ostringstream authorities;
    authorities << std::ifstream(path).rdbuf();
    trusted.pem_root_certs = authorities.str();
  }
  auto credentials = grpc::CompositeChannelCredentials(grpc::SslCredentials(trusted), grpc::AccessTokenCredentials(key));
  grpc::ChannelArguments options;
  options.SetServiceConfigJSON(kRetries);
  auto stub = InteractionService::NewStub(grpc::CreateCustomChannel(argv[1], credentials, options));

  PublishInteractionsRequest publish;
  publish.set_user_id("ana");
  publish.add_interactions()->set_content("I have moved to Lisbon.");
  std::random_device random;  // A repetition under the key stores nothing.
  publish.set_idempotency_key(std::to_string(random()) + "-" + std::to_string(random()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  PublishInteractionsResponse published;
  const grpc::Status status = stub->PublishInteractions(&context, publish, &published);
  if (status.ok()) {
    std::cout << published.message() << "\n";
    return 0;
  }
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  details.ParseFromString(status.error_details());
  for (const auto& detail : details.details()) detail.UnpackTo(&info);
  std::cerr << info.reason() << ": " << status.error_message() << "\n";
  return 1;
}
