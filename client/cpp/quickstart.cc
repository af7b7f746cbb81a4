// Publishes two interactions and finds one of them.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>

#include "reflexio/v1/interaction_service.grpc.pb.h"

using namespace reflexio::v1;

int main(int argc, char** argv) {
  auto channel = grpc::CreateChannel(argc > 1 ? argv[1] : "localhost:8081", grpc::InsecureChannelCredentials());
  auto stub = InteractionService::NewStub(channel);

  PublishInteractionsRequest publish;
  publish.set_user_id("ana");
  publish.add_interactions()->set_content("My phone battery is empty by noon.");
  publish.add_interactions()->set_content("I have moved to Lisbon.");
  grpc::ClientContext publishing;
  publishing.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  PublishInteractionsResponse published;
  grpc::Status status = stub->PublishInteractions(&publishing, publish, &published);

  SearchInteractionsRequest search;
  search.set_user_id("ana");
  search.set_query("Which city has she moved to?");
  search.set_top_k(1);
  grpc::ClientContext searching;
  searching.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  SearchInteractionsResponse found;
  if (status.ok()) status = stub->SearchInteractions(&searching, search, &found);

  for (const SearchHit& hit : found.hits()) {
    std::cout << hit.interaction().role() << ": " << hit.interaction().content() << "\n";
  }
  if (!status.ok()) std::cerr << status.error_message() << "\n";
  return status.error_code();
}
