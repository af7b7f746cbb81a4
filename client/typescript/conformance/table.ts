// Reads steps of the table: placeholders, paths, and what is expected of an answer.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isDeepStrictEqual } from "node:util";

export interface Step {
  do: "call" | "receive" | "exchange" | "pages" | "restart";
  rpc: string;
  request: JsonObject;
  requests?: JsonObject[];
  expand?: Record<string, number>;
  times?: number;
  items?: string;
  key?: string;
  deadline_ms?: number;
  status?: string;
  reason?: string;
  metadata?: Record<string, string>;
  fields?: string[];
  retry?: boolean;
  answer?: Record<string, JsonValue>;
  count?: Record<string, number>;
  distinct?: Record<string, number>;
  save?: Record<string, string>;
}

export interface Case {
  name: string;
  steps: Step[];
}

/** A copy in which every placeholder is replaced of which the value is known. */
export function filledIn<T>(step: T, values: ReadonlyMap<string, string>): T {
  return JSON.parse(JSON.stringify(step).replace(/\{\{([\w-]+)\}\}/g, (found, name) => values.get(name) ?? found));
}

/** The request of a step, with the elements of its lists repeated. */
export function expanded(step: Step): JsonObject {
  const request = { ...step.request };
  for (const [name, times] of Object.entries(step.expand ?? {})) {
    request[name] = Array(times).fill((request[name] as JsonValue[])[0]);
  }
  return request;
}

/** What is at a path; undefined where there is nothing. */
export function at(value: JsonValue | undefined, path: string): JsonValue | undefined {
  return follow(value, path.split("."));
}

function follow(value: JsonValue | undefined, [name, ...rest]: string[]): JsonValue | undefined {
  if (name === undefined || value === null || typeof value !== "object") return name === undefined ? value : name === "*" ? [] : undefined;
  if (name !== "*") return follow((value as JsonObject)[name], rest);
  const found = (value as JsonValue[]).map((element) => follow(element, rest)).filter((one) => one !== undefined);
  return rest.includes("*") ? found.flat() : found;
}

/** Compares an answer with what the step expects of it; throws where it is not so. */
export function lookAt(answer: JsonValue, step: Step): void {
  for (const [path, expected] of Object.entries(step.answer ?? {})) compare(path, expected, at(answer, path) ?? null);
  for (const [path, expected] of Object.entries(step.count ?? {})) compare(`elements of ${path}`, expected, list(answer, path).length);
  for (const [path, expected] of Object.entries(step.distinct ?? {})) {
    compare(`different elements of ${path}`, expected, new Set(list(answer, path)).size);
  }
}

export function list(answer: JsonValue, path: string): JsonValue[] {
  return (at(answer, path) ?? []) as JsonValue[];
}

function compare(what: string, expected: JsonValue, found: JsonValue): void {
  if (!isDeepStrictEqual(expected, found)) throw new Error(`${what}: expected ${written(expected)}, found ${written(found)}`);
}

export function written(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 300);
}
