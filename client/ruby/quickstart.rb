# Publishes two interactions and finds one of them.
require "reflexio/v1/interaction_service_services_pb"
require "securerandom"

include Reflexio::V1
stub = InteractionService::Stub.new(ARGV.fetch(0, "localhost:8081"), :this_channel_is_insecure, timeout: 30)
key = ENV["REFLEXIO_API_KEY"]
metadata = key ? { "authorization" => "Bearer #{key}" } : {}
said = ["My phone battery is empty by noon.", "I have moved to Lisbon."].map { |text| NewInteraction.new(content: text) }
publish = PublishInteractionsRequest.new(user_id: "ana", interactions: said, idempotency_key: SecureRandom.uuid)
stub.publish_interactions(publish, metadata: metadata)
search = SearchInteractionsRequest.new(user_id: "ana", query: "Which city has she moved to?", top_k: 1)
stub.search_interactions(search, metadata: metadata).hits.each do |hit|
  puts "#{hit.interaction.role}: #{hit.interaction.content}"
end
