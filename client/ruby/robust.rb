# Publishes over TLS with a key, tries again while the server is away, and says why it was refused.
require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "json"
require "reflexio/v1/interaction_service_services_pb"
require "securerandom"

RETRIES = JSON.generate(
  methodConfig: [{
    name: [{ service: "reflexio.v1.InteractionService" }],
    retryPolicy: {
      maxAttempts: 5, initialBackoff: "0.1s", maxBackoff: "1s", backoffMultiplier: 2, retryableStatusCodes: ["UNAVAILABLE"]
    }
  }]
)

authorities = ENV["REFLEXIO_CA"] && File.read(ENV["REFLEXIO_CA"]) # nil: those that gRPC brings along.
key = GRPC::Core::CallCredentials.new(proc { { authorization: "Bearer #{ENV.fetch("REFLEXIO_API_KEY")}" } })
credentials = GRPC::Core::ChannelCredentials.new(authorities).compose(key)
stub = Reflexio::V1::InteractionService::Stub.new(
  ARGV.fetch(0), credentials, channel_args: { "grpc.service_config" => RETRIES }
)
publish = Reflexio::V1::PublishInteractionsRequest.new(
  user_id: "ana",
  interactions: [Reflexio::V1::NewInteraction.new(content: "I have moved to Lisbon.")],
  idempotency_key: SecureRandom.uuid # A repetition under it stores nothing.
)
begin
  puts stub.publish_interactions(publish, deadline: Time.now + 30).message
rescue GRPC::BadStatus => e
  details = e.to_rpc_status&.details || []
  info = details.filter_map { |detail| detail.unpack(Google::Rpc::ErrorInfo) }.first
  abort("#{info ? info.reason : e.class}: #{e.details}")
end
