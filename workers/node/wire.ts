// What worker and client have in common: payloads, and a message that the broker has for certain.
import { ConfirmChannel, Options } from "amqplib";
import { randomUUID } from "node:crypto";

export type Json = Record<string, any>;

/** Of every task queue; the broker refuses others for a queue that exists. */
export const TASK_QUEUE_ARGUMENTS = {
  "x-queue-type": "quorum",
  "x-delivery-limit": 20,
  "x-dead-letter-exchange": "dalsegno.dead",
  "x-dead-letter-routing-key": "tasks",
  "x-dead-letter-strategy": "at-least-once",
  "x-overflow": "reject-publish",
};

/** A value, or bytes. What is stored elsewhere, or encrypted, is an error: only who has the key can read it. */
export function fromPayload(payload: any): unknown {
  const labelled = payload?.$payload;
  if (labelled === undefined || Object.keys(payload).length !== 1) return payload;
  const data = Buffer.from(labelled.data, "base64");
  if (labelled.encoding === "binary/plain") return data;
  if (labelled.encoding === "json/plain") return JSON.parse(data.toString());
  throw Object.assign(new Error(`a payload of the encoding ${labelled.encoding} cannot be read here`), {
    type: "PayloadUnreadable",
  });
}

/** Resolves when the broker has put it into a queue; rejects if it has none for it, or cannot be reached. */
export function publish(
  channel: ConfirmChannel,
  exchange: string,
  routingKey: string,
  body: Buffer,
  options: Options.Publish,
): Promise<void> {
  const messageId = options.messageId ?? randomUUID();
  return new Promise((resolve, reject) => {
    let isReturned = false;
    const onReturn = (message: { properties: { messageId?: string } }) => {
      isReturned ||= message.properties.messageId === messageId; // it comes before the confirm
    };
    const settle = (error?: Error) => {
      channel.off("return", onReturn);
      channel.off("close", onClose);
      if (error) reject(error);
      else if (isReturned) reject(new Error(`nobody receives ${exchange} ${routingKey}: is the namespace there?`));
      else resolve();
    };
    const onClose = () => settle(new Error("the channel was closed"));
    channel.on("return", onReturn);
    channel.on("close", onClose);
    const all = { contentType: "application/json", persistent: true, mandatory: true, ...options, messageId };
    try {
      channel.publish(exchange, routingKey, body, all, (error) => settle(error ?? undefined));
    } catch (error) {
      settle(error as Error);
    }
  });
}
