import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { setTimeout as sleep } from "node:timers/promises";

/** Sends an API key with each call, unless the call has one of its own. */
export function bearer(key: string | undefined): Interceptor {
  return (next) => (request) => {
    if (key && !request.header.has("authorization")) request.header.set("authorization", `Bearer ${key}`);
    return next(request);
  };
}

/**
 * Repeats a unary call that ends with UNAVAILABLE, after 100, 200, 400… milliseconds, within the call's deadline.
 *
 * Everything but Login, ChangePassword and the Create methods of AccessService may be repeated; a publish with an idempotency key only, or it may be stored twice.
 */
export function retryUnavailable(attempts = 5): Interceptor {
  return (next) => async (request) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(request);
      } catch (error) {
        const last = attempt >= attempts || request.stream || request.signal.aborted;
        if (last || ConnectError.from(error).code !== Code.Unavailable) throw error;
        await sleep(100 * 2 ** (attempt - 1), undefined, { signal: request.signal });
      }
    }
  };
}
