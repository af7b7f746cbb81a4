// Publishes over TLS with a key, tries again while the server is away, and says why it was refused.
import { ErrorInfoSchema, InteractionService, bearer, retryUnavailable } from "@reflexio/client";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const authorities = process.env.REFLEXIO_CA; // Without: those that Node brings along.
const transport = createGrpcTransport({
  baseUrl: `https://${process.argv[2]}`,
  nodeOptions: authorities ? { ca: readFileSync(authorities) } : {},
  interceptors: [retryUnavailable(), bearer(process.env.REFLEXIO_API_KEY)],
});
const client = createClient(InteractionService, transport);
const publish = {
  userId: "ana",
  interactions: [{ content: "I have moved to Lisbon." }],
  idempotencyKey: randomUUID(), // A repetition under it stores nothing.
};
try {
  const { message } = await client.publishInteractions(publish, { timeoutMs: 30_000 });
  console.log(message);
} catch (error) {
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  console.error(`${info?.reason ?? failure.code}: ${failure.rawMessage}`);
  process.exitCode = 1;
}
