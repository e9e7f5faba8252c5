// A client of dalsegno's wire protocol (docs/protocol-client.md): it starts workflows, and speaks with them.
import amqp, { ChannelModel, ConfirmChannel } from "amqplib";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { fromPayload, Json, publish } from "./wire";

/** The request was refused, or what it asked for has failed. `code` is that of the error, or the failure's kind. */
export class RequestError extends Error {
  constructor(readonly code: string, message: string, readonly failure?: Json) {
    super(message);
  }
}

export class Client {
  private readonly asked = new Map<string, (reply: Json) => void>();

  private constructor(
    private readonly connection: ChannelModel,
    private readonly channel: ConfirmChannel,
    private readonly replyQueue: string,
  ) {}

  static async connect(url: string): Promise<Client> {
    const connection = await amqp.connect(url);
    const channel = await connection.createConfirmChannel();
    channel.setMaxListeners(0);
    const { queue } = await channel.assertQueue("", { exclusive: true });
    const client = new Client(connection, channel, queue);
    await channel.consume(queue, (reply) => {
      if (reply) client.asked.get(reply.properties.correlationId)?.(JSON.parse(reply.content.toString()));
    }, { noAck: true });
    return client;
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  /** The run ID. Where it is not known whether a start has arrived, start again with the same `messageId`. */
  async start(workflowType: string, workflowId: string, args: unknown[] = [], messageId?: string): Promise<string> {
    const fields = { workflow_type: workflowType, args, replies: ["accepted"] };
    return (await this.ask("workflow.start", workflowId, fields, "accepted", messageId)).run_id;
  }

  async signal(workflowId: string, name: string, ...args: unknown[]): Promise<void> {
    await this.ask("workflow.signal", workflowId, { name, args }, "answer");
  }

  async query(workflowId: string, name: string, ...args: unknown[]): Promise<unknown> {
    return fromPayload((await this.ask("workflow.query", workflowId, { name, args }, "answer")).result);
  }

  /** The update's outcome; it is handled once, however often it is asked for. */
  async update(workflowId: string, name: string, ...args: unknown[]): Promise<unknown> {
    const updateId = randomUUID();
    const fields = { name, args, update_id: updateId, wait_for: "completed" };
    const isDone = (reply: Json) => reply.update_stage === "completed";
    return outcome(await this.ask("workflow.update", workflowId, fields, isDone, updateId));
  }

  async cancel(workflowId: string, reason?: string): Promise<void> {
    await this.ask("workflow.cancel", workflowId, { reason }, "answer");
  }

  /** The run's result, however long it takes. Who waits is in a host's memory, and so asks again. */
  async result(workflowId: string): Promise<unknown> {
    for (;;) {
      try {
        return outcome(await this.ask("workflow.result", workflowId, {}, "result", undefined, 20_000));
      } catch (error) {
        if (!(error instanceof RequestError) || !["moved", "no_reply"].includes(error.code)) throw error;
      }
    }
  }

  private async ask(
    type: string,
    workflowId: string,
    fields: Json,
    awaited: string | ((reply: Json) => boolean),
    messageId: string = randomUUID(),
    milliseconds = 60_000,
  ): Promise<Json> {
    const isAwaited = typeof awaited === "string" ? (reply: Json) => reply.kind === awaited : awaited;
    const giveUp = new AbortController();
    const answered = new Promise<Json>((resolve) => {
      this.asked.set(messageId, (reply) => (reply.error || isAwaited(reply)) && resolve(reply));
    });
    try {
      const body = Buffer.from(JSON.stringify({ workflow_id: workflowId, ...fields }));
      const key = `slot.${crc32(workflowId) % 1024}`;
      await publish(this.channel, "dalsegno.commands", key, body, { type, messageId, replyTo: this.replyQueue });
      const silence = sleep(milliseconds, undefined, { signal: giveUp.signal }).catch(() => undefined);
      const reply = await Promise.race([answered, silence]);
      if (!reply) throw new RequestError("no_reply", `no reply to ${type} within ${milliseconds / 1000} s`);
      if (reply.error) throw new RequestError(reply.error.code, reply.error.message, reply.failure);
      return reply;
    } finally {
      giveUp.abort();
      this.asked.delete(messageId);
    }
  }
}

function outcome(reply: Json): unknown {
  const isUpdate = reply.kind === "update" || reply.update_stage;
  if (reply.failure) throw new RequestError(reply.failure.kind ?? "application", reply.failure.message, reply.failure);
  if (!isUpdate && reply.status !== "completed") throw new RequestError(reply.status, `the run was ${reply.status}`);
  return fromPayload(reply.result);
}
