// A worker of dalsegno's wire protocol (docs/protocol-worker.md), which knows AMQP and JSON alone.
import amqp, { ChannelModel, ConfirmChannel, ConsumeMessage } from "amqplib";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fromPayload, Json, publish, TASK_QUEUE_ARGUMENTS } from "./wire";

/** Thrown by an activity: `type` is what retry policies look at. Other errors have their class's name as type. */
export class ActivityError extends Error {
  constructor(message: string, readonly type: string, readonly nonRetryable = false) {
    super(message);
  }
}

export type Activity = (context: Context, ...args: any[]) => Promise<unknown> | unknown;

/** What an activity has beside its arguments. */
export interface Context {
  readonly task: Json; // attempt, idempotency_key, fence, ...: as in protocol.cddl
  readonly canceled: AbortSignal; // the workflow wants it to stop; or it has outlasted its start_to_close
  readonly heartbeatDetails: unknown; // of the attempt before
  heartbeat(details?: unknown): void; // sent at a third of the heartbeat timeout, with the newest details
}

interface Attempt {
  task: Json;
  key: string;
  deliveries: ConsumeMessage[]; // not acknowledged yet; more than one where a task comes twice
  channel: ConfirmChannel; // the one that has delivered them: the only one that can acknowledge them
  abort: AbortController;
  saidSo: boolean; // whether the engine knows that we work on it
  onGrant?: (granted: boolean) => void;
}

/** As JSON has it now. Throws for what has none: here, and not when it is sent, over and over. */
function copied(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? "null");
}

const LATE = "late";
const SECOND = 1_000_000; // the wire counts microseconds

export class Worker {
  private readonly attempts = new Map<string, Attempt>();
  private readonly settled = new Set<string>(); // done, but their channel was gone before they were acknowledged
  private readonly waiting: (() => void)[] = [];
  private readonly name = `dalsegno.worker.${randomUUID()}`;
  private free: number;
  private lives = 0;
  private channel?: ConfirmChannel;
  private ownQueue = this.name;

  constructor(
    private readonly url: string,
    private readonly taskQueue: string,
    private readonly activities: Record<string, Activity>,
    private readonly slots = 10,
  ) {
    this.free = slots;
  }

  /** Serves for ever; a connection that is lost is made anew. */
  async run(): Promise<never> {
    for (let wait = 100; ; wait = Math.min(2 * wait, 10_000)) {
      try {
        const connection = await amqp.connect(this.url);
        const lost = new Promise<void>((resolve) => connection.on("close", resolve));
        connection.on("error", (error) => console.error(`connection: ${error.message}`));
        await this.consume(connection);
        wait = 100;
        await lost;
      } catch (error) {
        console.error(`connection: ${(error as Error).message}`);
      }
      this.channel = undefined;
      await sleep(wait);
    }
  }

  private async consume(connection: ChannelModel): Promise<void> {
    const channel = await connection.createConfirmChannel();
    channel.on("error", (error) => console.error(`channel: ${error.message}`));
    channel.on("close", () => connection.close().catch(() => undefined));
    const queue = `dalsegno.tasks.${this.taskQueue}`;
    await channel.prefetch(this.slots);
    await channel.assertQueue(queue, { durable: true, arguments: TASK_QUEUE_ARGUMENTS });
    // The broker may hold the queue of the connection before; what comes before "~" is the same process.
    this.ownQueue = this.lives++ ? `${this.name}~${this.lives - 1}` : this.name;
    await channel.assertQueue(this.ownQueue, { exclusive: true });
    await channel.consume(this.ownQueue, (message) => message && this.onDirective(message), { noAck: true });
    this.channel = channel;
    for (const attempt of this.attempts.values()) if (attempt.saidSo) this.started(attempt);
    await channel.consume(queue, (message) => {
      if (message) this.onTask(channel, message).catch((error) => console.error(`task: ${error.message}`));
      else channel.close().catch(() => undefined); // the queue was deleted: declare it anew
    });
  }

  private onDirective(message: ConsumeMessage): void {
    const word = JSON.parse(message.content.toString());
    for (const attempt of this.attempts.values()) {
      const { task } = attempt;
      const isIt = word.run_id === task.run_id && word.activity_id === task.activity_id;
      if (!isIt || word.attempt !== task.attempt || (word.token ?? task.token) !== task.token) continue;
      if (message.properties.type === "activity.grant") attempt.onGrant?.(word.granted);
      else if (message.properties.type === "activity.cancel") attempt.abort.abort("canceled");
    }
  }

  private async onTask(channel: ConfirmChannel, message: ConsumeMessage): Promise<void> {
    let task: Json;
    try {
      task = JSON.parse(message.content.toString());
      if (task.exchange !== "dalsegno.results" || !/^slot\.\d+$/.test(task.routing_key)) throw Error("its address");
    } catch (error) {
      const headers = { "x-dalsegno-reason": `no task that a worker can read: ${(error as Error).message}` };
      const { type, contentType } = message.properties;
      await publish(channel, "dalsegno.dead", "invalid", message.content, { type, contentType, headers });
      return channel.ack(message);
    }
    const key = [task.run_id, task.activity_id, task.attempt, task.token].join("\0");
    if (this.settled.delete(key)) return channel.ack(message);
    const known = this.attempts.get(key);
    if (known?.channel === channel) return void known.deliveries.push(message); // acknowledged with the first
    if (known) return void Object.assign(known, { channel, deliveries: [message] }); // it works: not run twice
    const attempt = { task, key, deliveries: [message], channel, abort: new AbortController(), saidSo: false };
    this.attempts.set(key, attempt);
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      await this.work(attempt);
    } finally {
      this.attempts.delete(key);
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }

  private async work(attempt: Attempt): Promise<void> {
    const late = (attempt.task.acknowledge ?? LATE) === LATE;
    if (!late && !(await this.isGranted(attempt))) {
      if (attempt.abort.signal.aborted) await this.outcome(attempt, "activity.canceled", {});
      return this.acknowledge(attempt);
    }
    if (!late) this.acknowledge(attempt); // from here on the engine notices by the heartbeats if we die
    const [type, fields] = await this.perform(attempt);
    await this.outcome(attempt, type, fields);
    this.acknowledge(attempt);
  }

  private async isGranted(attempt: Attempt): Promise<boolean> {
    for (let wait = 5_000; ; wait = Math.min(2 * wait, 60_000)) {
      const granted = new Promise<boolean>((resolve) => {
        attempt.onGrant = resolve;
        if (attempt.abort.signal.aborted) resolve(false);
        attempt.abort.signal.addEventListener("abort", () => resolve(false));
      });
      this.started(attempt);
      const said = await Promise.race([granted, sleep(wait, undefined, { ref: false })]);
      if (said !== undefined) return said;
    }
  }

  private async perform(attempt: Attempt): Promise<[string, Json]> {
    const { task, abort } = attempt;
    const third = (task.heartbeat_timeout ?? 90 * SECOND) / 3_000;
    let details: Json | undefined; // not sent yet
    const beat = setInterval(() => {
      if (details || task.auto_heartbeat) this.say(attempt, "activity.heartbeat", { worker: this.ownQueue, ...details });
      details = undefined;
    }, third);
    const announce = setTimeout(() => this.started(attempt), 1_000);
    let outlasted: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      if (task.start_to_close === undefined) return;
      outlasted = setTimeout(() => {
        reject({ kind: "timed_out", timeout_type: "start_to_close", message: "The attempt took too long." });
        abort.abort("start_to_close");
      }, Math.min(task.start_to_close / 1_000, 2 ** 31 - 1));
    });
    try {
      const activity = this.activities[task.activity_type];
      const known = Object.keys(this.activities).join(", ");
      if (!activity) throw new ActivityError(`no activity ${task.activity_type} here, but ${known}`, "ActivityNotFound");
      const context: Context = {
        task,
        canceled: abort.signal,
        heartbeatDetails: "heartbeat_details" in task ? fromPayload(task.heartbeat_details) : undefined,
        heartbeat: (newest) => void (details = newest === undefined ? {} : { details: copied(newest) }),
      };
      const args = (task.args ?? []).map(fromPayload);
      const working = (async () => activity(context, ...args))();
      working.catch(() => undefined); // of what is over already nobody hears
      return ["activity.completed", { result: copied((await Promise.race([working, timeout])) ?? null) }];
    } catch (error: any) {
      if (error?.kind === "timed_out") return ["activity.failed", { failure: error }];
      const isStopped = error === "canceled" || error?.name === "AbortError"; // not what failed on its own meanwhile
      if (abort.signal.reason === "canceled" && isStopped) return ["activity.canceled", details ?? {}];
      const failure = {
        message: String(error?.message ?? error).slice(0, 10_000),
        type: error?.type ?? error?.constructor?.name ?? "Error",
        non_retryable: error?.nonRetryable ?? false,
      };
      return ["activity.failed", { failure }];
    } finally {
      clearInterval(beat);
      clearTimeout(announce);
      clearTimeout(outlasted);
    }
  }

  private started(attempt: Attempt): void {
    attempt.saidSo = true;
    this.say(attempt, "activity.started", { worker: this.ownQueue });
  }

  /** Once, and nothing is lost if it does not arrive: what shows that we live is said again. */
  private say(attempt: Attempt, type: string, fields: Json): void {
    if (this.channel) this.tell(this.channel, attempt.task, type, fields).catch(() => undefined);
  }

  /** Until the broker has it: only then may the task be acknowledged. */
  private async outcome(attempt: Attempt, type: string, fields: Json): Promise<void> {
    for (;;) {
      try {
        if (this.channel) return await this.tell(this.channel, attempt.task, type, fields);
      } catch (error) {
        console.error(`${type}: ${(error as Error).message}`);
      }
      await sleep(200);
    }
  }

  private tell(channel: ConfirmChannel, task: Json, type: string, fields: Json): Promise<void> {
    const { workflow_id, run_id, activity_id, attempt, token } = task;
    const body = Buffer.from(JSON.stringify({ workflow_id, run_id, activity_id, attempt, token, ...fields }));
    return publish(channel, task.exchange, task.routing_key, body, { type });
  }

  private acknowledge(attempt: Attempt): void {
    const { channel, deliveries, key } = attempt;
    if (channel === this.channel) for (const each of deliveries.splice(0)) channel.ack(each);
    else if (deliveries.length) this.settled.add(key); // the broker delivers it again
  }
}
