// `node dist/conformance/main.js host:port cases.json [case…]`: the runner that tests/conformance/README.md describes.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { Calls, type Outcome, succeeded } from "./calls.js";
import { at, type Case, expanded, filledIn, list, lookAt, type Step, written } from "./table.js";

const USUAL_MS = 30_000;
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(line: JsonObject): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** One run of one case. */
class Run {
  private readonly values = new Map([
    ["unique", randomBytes(8).toString("hex")],
    ["uuid", randomUUID() as string],
  ]);

  constructor(private readonly calls: Calls) {}

  /** Does one step; throws where it did not end as the table says. */
  async do(step: Step): Promise<void> {
    const filled = filledIn(step, this.values);
    switch (step.do) {
      case "restart":
        say({ restart: true });
        await answers.next();
        return;
      case "exchange":
        return this.judge(filled, await this.make(filled, filled.requests ?? indexed(filled).map((one) => one.request)));
      case "pages":
        return this.judge(filled, await this.pages(filled));
      default:
        for (const one of indexed(filled)) this.judge(one, await this.make(one, [expanded(one)]));
    }
  }

  private async pages(step: Step): Promise<Outcome> {
    const items: JsonValue[] = [];
    let request = step.request;
    for (let pages = 1; ; pages++) {
      const outcome = await this.make(step, [request]);
      if (outcome.status !== "OK") return outcome;
      items.push(...list(outcome.answer, step.items!));
      const token = at(outcome.answer, "nextPageToken");
      if (!token) return succeeded({ pages, items });
      request = { ...request, pageToken: token };
    }
  }

  private make(step: Step, requests: JsonObject[]): Promise<Outcome> {
    return this.calls.make(step.rpc, requests, step.key, step.deadline_ms ?? USUAL_MS);
  }

  private judge(step: Step, outcome: Outcome): void {
    const expected = step.status ?? "OK";
    if (outcome.status !== expected) throw new Error(`expected ${expected}, found ${outcome.status} ${outcome.reason}: ${outcome.message}`);
    for (const name of ["reason", "fields", "retry"] as const) {
      if (step[name] !== undefined && !isDeepStrictEqual(step[name], outcome[name])) {
        throw new Error(`${name}: expected ${written(step[name])}, found ${written(outcome[name])}`);
      }
    }
    for (const [name, value] of Object.entries(step.metadata ?? {})) {
      if (outcome.metadata[name] !== value) throw new Error(`metadata: expected ${written(step.metadata)}, found ${written(outcome.metadata)}`);
    }
    lookAt(outcome.answer, step);
    for (const [name, path] of Object.entries(step.save ?? {})) {
      const kept = at(outcome.answer, path);
      if (typeof kept !== "string") throw new Error(`there is no text at ${path}`);
      this.values.set(name, kept);
    }
  }
}

/** The step once for each of its times. */
function indexed(step: Step): Step[] {
  return Array.from({ length: step.times ?? 1 }, (_, index) => filledIn(step, new Map([["index", `${index}`]])));
}

async function run({ name, steps }: Case, calls: Calls): Promise<void> {
  const began = performance.now();
  let error = "";
  const running = new Run(calls);
  for (const [index, step] of steps.entries()) {
    try {
      await running.do(step);
    } catch (problem) {
      error = `step ${index + 1}, ${step.rpc ?? step.do}: ${problem}`;
      break;
    }
  }
  say({ case: name, ok: error === "", seconds: Math.round(performance.now() - began) / 1000, error });
}

function versions(): JsonObject {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return {
    node: process.versions.node,
    typescript: devDependencies.typescript,
    "connect-node": dependencies["@connectrpc/connect-node"],
    protobuf: dependencies["@bufbuild/protobuf"],
  };
}

const [target, table, ...names] = process.argv.slice(2) as [string, string, ...string[]];
say({ versions: versions() });
const calls = new Calls(target, process.env.REFLEXIO_API_KEY ?? "");
for (const one of JSON.parse(readFileSync(table, "utf8")).cases as Case[]) {
  if (names.length === 0 || names.includes(one.name)) await run(one, calls);
}
process.exit();
