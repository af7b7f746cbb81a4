// Publishes two interactions and finds one of them.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

#include "reflexio/v1/interaction_service.grpc.pb.h"

using namespace reflexio::v1;

// What each call has: ten seconds, and the key if there is one.
void prepare(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  if (const char* key = std::getenv("REFLEXIO_API_KEY")) context.AddMetadata("authorization", std::string("Bearer ") + key);
}

int main(int argc, char** argv) {
  auto channel = grpc::CreateChannel(argc > 1 ? argv[1] : "localhost:8081", grpc::InsecureChannelCredentials());
  auto stub = InteractionService::NewStub(channel);

  PublishInteractionsRequest publish;
  publish.set_user_id("ana");
  std::random_device random;
  publish.set_idempotency_key(std::to_string(random()) + "-" + std::to_string(random()));
  publish.add_interactions()->set_content("My phone battery is empty by noon.");
  publish.add_interactions()->set_content("I have moved to Lisbon.");
  grpc::ClientContext publishing;
  prepare(publishing);
  PublishInteractionsResponse published;
  grpc::Status status = stub->PublishInteractions(&publishing, publish, &published);

  SearchInteractionsRequest search;
  search.set_user_id("ana");
  search.set_query("Which city has she moved to?");
  search.set_top_k(1);
  grpc::ClientContext searching;
  prepare(searching);
  SearchInteractionsResponse found;
  if (status.ok()) status = stub->SearchInteractions(&searching, search, &found);

  for (const SearchHit& hit : found.hits()) {
    std::cout << hit.interaction().role() << ": " << hit.interaction().content() << "\n";
  }
  if (!status.ok()) std::cerr << status.error_message() << "\n";
  return status.error_code();
}
