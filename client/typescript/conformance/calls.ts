// Makes the calls of the table through the generated stubs, with protobuf's JSON mapping.
import {
  AccessService,
  BadRequestSchema,
  DataService,
  ErrorInfoSchema,
  InteractionService,
  RequestService,
  RetryInfoSchema,
  ServerService,
  retryUnavailable,
} from "@reflexio/client";
import { fromJson, toJson, type DescMethod, type JsonObject, type JsonValue, type Message } from "@bufbuild/protobuf";
import { type CallOptions, type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

const SERVICES = { AccessService, DataService, InteractionService, RequestService, ServerService };

/** How a call ended. */
export interface Outcome {
  answer: JsonValue;
  status: string;
  message: string;
  reason: string;
  metadata: Record<string, string>;
  fields: string[];
  retry: boolean;
}

export const succeeded = (answer: JsonValue): Outcome => ({ answer, status: "OK", message: "", reason: "", metadata: {}, fields: [], retry: false });

type Made = Message | AsyncIterable<Message>;
type AnyMethod = (request: Message | AsyncIterable<Message>, options: CallOptions) => Made | Promise<Made>;

/** One connection to the server, with a client for each service. */
export class Calls {
  private readonly clients: Record<string, Client<(typeof SERVICES)[keyof typeof SERVICES]>>;

  constructor(target: string, private readonly key: string) {
    const transport = createGrpcTransport({ baseUrl: `http://${target}`, interceptors: [retryUnavailable()] });
    this.clients = Object.fromEntries(Object.entries(SERVICES).map(([name, service]) => [name, createClient(service, transport)]));
  }

  /** Makes a call of any kind with one request, or all of a stream. `key` is undefined for the usual one, and empty for none. */
  async make(rpc: string, requests: JsonObject[], key: string | undefined, timeoutMs: number): Promise<Outcome> {
    const [service, name] = rpc.split("/") as [keyof typeof SERVICES, string];
    const method = SERVICES[service].methods.find((one) => one.name === name) as DescMethod;
    const messages = requests.map((request) => fromJson(method.input, request));
    const used = key ?? this.key;
    const options: CallOptions = { timeoutMs, headers: used ? { authorization: `Bearer ${used}` } : {} };
    const streams = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
    const call = (this.clients[service] as unknown as Record<string, AnyMethod>)[method.localName]!;
    try {
      return succeeded(await read(method, call(streams ? each(messages) : messages[0]!, options)));
    } catch (error) {
      return endedWith(ConnectError.from(error));
    }
  }
}

async function* each<T>(values: T[]): AsyncGenerator<T> {
  yield* values;
}

async function read(method: DescMethod, made: Made | Promise<Made>): Promise<JsonValue> {
  if (method.methodKind === "unary") return toJson(method.output, (await made) as Message);
  const messages: JsonValue[] = [];
  for await (const message of made as AsyncIterable<Message>) messages.push(toJson(method.output, message));
  return { messages };
}

function endedWith(error: ConnectError): Outcome {
  const info = error.findDetails(ErrorInfoSchema).find((one) => one.domain === "reflexio");
  const [bad] = error.findDetails(BadRequestSchema);
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    answer: null,
    // DeadlineExceeded → DEADLINE_EXCEEDED, as gRPC writes it.
    status: Code[error.code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(),
    message: error.rawMessage,
    reason: info?.reason ?? "",
    metadata: { ...info?.metadata },
    fields: bad?.fieldViolations.map((violation) => violation.field) ?? [],
    retry: delay !== undefined && (delay.seconds > 0n || delay.nanos > 0),
  };
}
