// Publishes two interactions and finds one of them.
import { InteractionService, bearer, retryUnavailable } from "@reflexio/client";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { randomUUID } from "node:crypto";

const transport = createGrpcTransport({
  baseUrl: `http://${process.argv[2] ?? "127.0.0.1:8081"}`,
  defaultTimeoutMs: 30_000,
  interceptors: [retryUnavailable(), bearer(process.env.REFLEXIO_API_KEY)],
});
const client = createClient(InteractionService, transport);
const said = ["My phone battery is empty by noon.", "I have moved to Lisbon."].map((content) => ({ content }));
await client.publishInteractions({ userId: "ana", idempotencyKey: randomUUID(), interactions: said });
const found = await client.searchInteractions({ userId: "ana", query: "Which city has she moved to?", topK: 1 });
for (const { interaction } of found.hits) console.log(`${interaction?.role}: ${interaction?.content}`);
