require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "json"
require "reflexio/v1/access_service_services_pb"
require "reflexio/v1/data_service_services_pb"
require "reflexio/v1/interaction_service_services_pb"
require "reflexio/v1/request_service_services_pb"
require "reflexio/v1/server_service_services_pb"

# How a call ended: its answer in proto3 JSON, or its error with what the details say.
Outcome = Struct.new(:answer, :status, :message, :reason, :metadata, :fields, :retry) do
  def self.ok(answer) = new(answer, "OK", "", "", {}, [], false)

  def self.of(error)
    outcome = new(nil, STATUS_NAMES.fetch(error.code), error.details, "", {}, [], false)
    (error.to_rpc_status&.details || []).each { |detail| outcome.add(detail) }
    outcome
  end

  def add(detail)
    if (info = detail.unpack(Google::Rpc::ErrorInfo)) && info.domain == "reflexio"
      self.reason, self.metadata = info.reason, info.metadata.to_h
    elsif (bad = detail.unpack(Google::Rpc::BadRequest))
      self.fields = bad.field_violations.map(&:field)
    elsif (info = detail.unpack(Google::Rpc::RetryInfo))
      self.retry = info.retry_delay.to_f.positive?
    end
  end
end

STATUS_NAMES = GRPC::Core::StatusCodes.constants.to_h { |name| [GRPC::Core::StatusCodes.const_get(name), name.to_s] }

# So that a server that is started again is found: a channel that was idle meanwhile may notice only when it writes.
# Not all of AccessService may be repeated.
PATIENCE = JSON.generate(
  methodConfig: [
    { name: [{}], waitForReady: true },
    {
      name: %w[Data Interaction Request Server].map { |name| { service: "reflexio.v1.#{name}Service" } },
      waitForReady: true,
      retryPolicy: {
        maxAttempts: 5, initialBackoff: "0.1s", maxBackoff: "1s", backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE"]
      }
    }
  ]
)

# One channel to the server, with a stub for each service.
class Calls
  SERVICES = %i[AccessService DataService InteractionService RequestService ServerService]
             .to_h { |name| [name.to_s, Reflexio::V1.const_get(name)] }

  # Calls have `key` unless they are given another one.
  def initialize(target, key)
    @key = key
    channel = GRPC::ClientStub.setup_channel(
      nil, target, :this_channel_is_insecure, { "grpc.service_config" => PATIENCE }
    )
    @stubs = SERVICES.transform_values { |s| s::Stub.new(nil, nil, channel_override: channel) }
  end

  # Makes a call of any kind. `requests` are in proto3 JSON: one, or all of a stream; `key` is nil for the usual one and
  # empty for none.
  def make(rpc, requests, key:, seconds:)
    service, name = rpc.split("/")
    method = SERVICES.fetch(service)::Service.rpc_descs.fetch(name.to_sym)
    messages = requests.map { |request| message_type(method.input).decode_json(JSON.generate(request)) }
    key = @key if key.nil?
    metadata = key.empty? ? {} : { "authorization" => "Bearer #{key}" }
    given = streams?(method.input) ? messages : messages.first
    answer = @stubs.fetch(service).public_send(
      GRPC::GenericService.underscore(name), given, metadata: metadata, deadline: Time.now + seconds
    )
    Outcome.ok(streams?(method.output) ? { "messages" => answer.map { |message| json(message) } } : json(answer))
  rescue GRPC::BadStatus => e
    Outcome.of(e)
  end

  private

  def streams?(type) = type.is_a?(GRPC::RpcDesc::Stream)

  def message_type(type) = streams?(type) ? type.type : type

  def json(message) = JSON.parse(message.class.encode_json(message))
end
