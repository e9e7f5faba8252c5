// node dist/example.js worker|conformance QUEUE, or: node dist/example.js start|result|signal|query|update ID ...
import { Client } from "./client";
import { conformance } from "./conformance";
import { ActivityError, Context, Worker } from "./worker";

let counted = 0;

const activities = {
  async count(context: Context, seconds: number): Promise<number> {
    const mine = ++counted;
    for (const end = Date.now() + seconds * 1000; Date.now() < end; context.heartbeat()) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return mine;
  },
  charge: (_: Context, amount: number, currency: string) => ({ receipt: `${amount} ${currency}` }),
  flaky(context: Context, failures: number): string {
    if (context.task.attempt <= failures) throw new ActivityError("the bank is busy", "BankBusy");
    return `attempt ${context.task.attempt}`;
  },
  unwritable(context: Context, where: string): unknown {
    const knot: Record<string, unknown> = {}; // has no JSON, and fails the attempt
    knot.itself = knot;
    if (where === "heartbeat") context.heartbeat(knot);
    return where === "heartbeat" ? null : knot;
  },
  decline(): never {
    throw new ActivityError("no such card", "CardDeclined", true);
  },
  async export(context: Context, pages: number, seconds: number): Promise<string> {
    for (let page = (context.heartbeatDetails as number) ?? 0; page < pages; page++) {
      context.canceled.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000)); // stands for the work
      context.heartbeat(page + 1);
    }
    return `${pages} pages`;
  },
};

async function main([act, ...rest]: string[]): Promise<unknown> {
  const url = process.env.AMQP_URL ?? "amqp://localhost";
  if (act === "worker") return new Worker(url, rest[0]!, activities).run();
  if (act === "conformance") return new Worker(url, rest[0]!, conformance).run();
  const client = await Client.connect(url);
  const [id, name, ...texts] = rest as [string, string, ...string[]];
  const args = texts.map((text) => JSON.parse(text));
  try {
    if (act === "start") return await client.start(name, id, args);
    if (act === "result") return await client.result(id);
    if (act === "signal") return await client.signal(id, name, ...args);
    if (act === "query") return await client.query(id, name, ...args);
    if (act === "update") return await client.update(id, name, ...args);
    if (act === "cancel") return await client.cancel(id, name);
    throw new Error(`unknown: ${act}`);
  } finally {
    await client.close();
  }
}

main(process.argv.slice(2)).then(
  (said) => console.log(JSON.stringify(said ?? null)),
  (error) => {
    console.error(`${error.code ?? error.name}: ${error.message}`);
    process.exitCode = 1;
  },
);
