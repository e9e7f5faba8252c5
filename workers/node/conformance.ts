// What `dalsegno conformance worker` asks of a worker: docs/protocol-worker.md, "Conformance".
import { setTimeout as sleep } from "node:timers/promises";
import { ActivityError, Context } from "./worker";

let begun = 0;

export const conformance = {
  "conformance.echo": (_: Context, value: unknown) => value,
  "conformance.fail"(_: Context, type: string, message: string, nonRetryable: boolean): never {
    throw new ActivityError(message, type, nonRetryable);
  },
  async "conformance.sleep"(_: Context, seconds: number): Promise<number> {
    await sleep(seconds * 1000);
    return seconds;
  },
  async "conformance.beat"(context: Context, seconds: number): Promise<number> {
    let counted = (context.heartbeatDetails as number) ?? 0;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
      context.canceled.throwIfAborted();
      context.heartbeat(++counted);
    }
    return counted;
  },
  async "conformance.count"(_: Context, seconds: number): Promise<number> {
    const mine = ++begun;
    await sleep(seconds * 1000);
    return mine;
  },
};
