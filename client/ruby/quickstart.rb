# Publishes two interactions and finds one of them.
require "reflexio/v1/interaction_service_services_pb"
require "securerandom"

include Reflexio::V1
stub = InteractionService::Stub.new(ARGV.fetch(0, "localhost:8081"), :this_channel_is_insecure, timeout: 30)
said = ["My phone battery is empty by noon.", "I have moved to Lisbon."].map { |text| NewInteraction.new(content: text) }
stub.publish_interactions(
  PublishInteractionsRequest.new(user_id: "ana", interactions: said, idempotency_key: SecureRandom.uuid)
)
found = stub.search_interactions(
  SearchInteractionsRequest.new(user_id: "ana", query: "Which city has she moved to?", top_k: 1)
)
found.hits.each { |hit| puts "#{hit.interaction.role}: #{hit.interaction.content}" }
