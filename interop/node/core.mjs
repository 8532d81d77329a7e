// amqplib for Node.js: the ten core scenarios, each with queues of its own.
//
//   node core.mjs amqp://guest:guest@127.0.0.1:5672/

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import amqp from "amqplib";

const PATIENCE_MS = 10_000;
const REPLY_TO = "amq.rabbitmq.reply-to";

// Messages come by callback; a test wants to wait for the next one.
class Inbox {
  #arrived = [];
  #waiting = [];

  put(message) {
    const waiter = this.#waiting.shift();
    if (waiter) waiter(message);
    else this.#arrived.push(message);
  }

  get size() {
    return this.#arrived.length;
  }

  async next(what) {
    if (this.#arrived.length > 0) return this.#arrived.shift();
    const arrival = new Promise((resolve) => this.#waiting.push(resolve));
    return await within(arrival, what);
  }
}

async function within(promise, what) {
  let timer;
  const expiry = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  return await Promise.race([promise, expiry]).finally(() => clearTimeout(timer));
}

function newName(subject) {
  return `interop-node-${subject}-${randomUUID()}`;
}

async function exclusiveQueue(channel, subject) {
  return (await channel.assertQueue(newName(subject), { exclusive: true })).queue;
}

async function confirmsAndAcks(connection) {
  const channel = await connection.createConfirmChannel();
  const queue = await exclusiveQueue(channel, "confirms");
  for (let number = 0; number < 5; number += 1) {
    channel.sendToQueue(queue, Buffer.from(`job ${number}`), { persistent: true });
  }
  await within(channel.waitForConfirms(), "five confirms");
  assert.equal((await channel.checkQueue(queue)).messageCount, 5);

  const inbox = new Inbox();
  await channel.consume(queue, (message) => inbox.put(message));
  for (let number = 0; number < 5; number += 1) {
    const message = await inbox.next(`job ${number}`);
    assert.equal(message.content.toString(), `job ${number}`);
    assert.equal(message.properties.deliveryMode, 2);
    channel.ack(message);
  }
  assert.equal((await channel.checkQueue(queue)).consumerCount, 1);
  await channel.close();
}

async function mandatoryReturns(connection) {
  const channel = await connection.createConfirmChannel();
  const events = [];
  channel.on("return", (message) => {
    assert.equal(message.fields.replyCode, 312);
    assert.equal(message.fields.replyText, "NO_ROUTE");
    events.push(`returned ${message.content}`);
  });
  const confirmed = new Promise((resolve, reject) => {
    channel.publish("", newName("absent"), Buffer.from("lost"), { mandatory: true }, (error) => {
      events.push("confirmed");
      if (error) reject(error);
      else resolve();
    });
  });
  await within(confirmed, "the confirm of a returned message");
  assert.deepEqual(events, ["returned lost", "confirmed"]);
  await channel.close();
}

async function requeuedIsRedelivered(connection) {
  const channel = await connection.createChannel();
  const queue = await exclusiveQueue(channel, "requeue");
  channel.sendToQueue(queue, Buffer.from("first"));
  channel.sendToQueue(queue, Buffer.from("second"));
  const message = await channel.get(queue);
  assert.equal(message.fields.redelivered, false);
  assert.equal(message.fields.messageCount, 1);
  channel.nack(message, false, true);
  const again = await channel.get(queue, { noAck: true });
  assert.equal(again.content.toString(), "first");
  assert.equal(again.fields.redelivered, true);
  await channel.close();
}

async function prefetchLimits(connection) {
  const channel = await connection.createConfirmChannel();
  const queue = await exclusiveQueue(channel, "prefetch");
  await channel.prefetch(2);
  const inbox = new Inbox();
  await channel.consume(queue, (message) => inbox.put(message));
  for (let number = 0; number < 3; number += 1) channel.sendToQueue(queue, Buffer.from(`${number}`));
  await within(channel.waitForConfirms(), "three confirms");
  const first = await inbox.next("the first of two");
  await inbox.next("the second of two");
  assert.equal((await channel.checkQueue(queue)).messageCount, 1);
  assert.equal(inbox.size, 0);
  channel.ack(first);
  assert.equal((await inbox.next("the third, after an ack")).content.toString(), "2");
  await channel.close();
}

async function topicRoutes(connection) {
  const channel = await connection.createConfirmChannel();
  const exchange = newName("topic");
  await channel.assertExchange(exchange, "topic", { autoDelete: true });
  const expected = { "*.error": ["a.error"], "a.#": ["a", "a.error", "a.b.c"], "#.c": ["a.b.c"] };
  const queues = {};
  for (const pattern of Object.keys(expected)) {
    queues[pattern] = await exclusiveQueue(channel, "topic");
    await channel.bindQueue(queues[pattern], exchange, pattern);
  }
  for (const key of ["a", "b", "a.error", "a.b.c"]) channel.publish(exchange, key, Buffer.from(key));
  await within(channel.waitForConfirms(), "four confirms");
  for (const [pattern, keys] of Object.entries(expected)) {
    const taken = [];
    for (let message; (message = await channel.get(queues[pattern], { noAck: true })); ) {
      taken.push(message.content.toString());
    }
    assert.deepEqual(taken, keys, pattern);
  }
  await channel.close();
}

async function headersKeepTheirTypes(connection) {
  const channel = await connection.createChannel();
  const queue = await exclusiveQueue(channel, "headers");
  const headers = {
    text: "grüße",
    number: 7,
    large: 2 ** 40,
    fraction: 1.5,
    yes: true,
    nothing: null,
    list: [1, "two", [false]],
    table: { deep: { deeper: "x" } },
  };
  channel.sendToQueue(queue, Buffer.from("{}"), {
    headers,
    contentType: "application/json",
    correlationId: "c1",
    messageId: "m1",
    timestamp: 1_700_000_000,
    type: "kind",
    appId: "interop",
    priority: 3,
  });
  const { properties } = await channel.get(queue, { noAck: true });
  assert.deepEqual(properties.headers, headers);
  assert.equal(properties.contentType, "application/json");
  assert.equal(properties.correlationId, "c1");
  assert.equal(properties.messageId, "m1");
  assert.equal(properties.timestamp, 1_700_000_000);
  assert.equal(properties.type, "kind");
  assert.equal(properties.appId, "interop");
  assert.equal(properties.priority, 3);
  await channel.close();
}

async function directReplyTo(connection) {
  const server = await connection.createChannel();
  const queue = await exclusiveQueue(server, "rpc");
  await server.consume(queue, (request) => {
    const { replyTo, correlationId } = request.properties;
    server.sendToQueue(replyTo, Buffer.from(`${2 * Number(request.content)}`), { correlationId });
    server.ack(request);
  });
  const client = await connection.createChannel();
  const replies = new Inbox();
  await client.consume(REPLY_TO, (reply) => replies.put(reply), { noAck: true });
  client.sendToQueue(queue, Buffer.from("21"), { replyTo: REPLY_TO, correlationId: "call 1" });
  const reply = await replies.next("the reply");
  assert.equal(reply.content.toString(), "42");
  assert.equal(reply.properties.correlationId, "call 1");
  await client.close();
  await server.close();
}

async function refusalClosesOnlyTheChannel(connection) {
  const doomed = await connection.createChannel();
  const closed = new Promise((resolve) => doomed.on("error", resolve));
  const absent = newName("absent");
  await assert.rejects(doomed.checkQueue(absent), { code: 404 });
  const error = await within(closed, "the channel's error");
  assert.match(error.message, new RegExp(`NOT_FOUND - no queue '${absent}' in vhost '/'`));
  const next = await connection.createChannel();
  await exclusiveQueue(next, "after-refusal");
  await next.close();
}

async function largeAndEmptyBodies(connection) {
  const channel = await connection.createChannel();
  const queue = await exclusiveQueue(channel, "bodies");
  const large = Buffer.alloc(1 << 20, "0123456789abcdef");
  channel.sendToQueue(queue, large);
  channel.sendToQueue(queue, Buffer.alloc(0));
  assert.ok((await channel.get(queue, { noAck: true })).content.equals(large));
  assert.equal((await channel.get(queue, { noAck: true })).content.length, 0);
  assert.equal(await channel.get(queue), false);
  await channel.close();
}

async function consumerLearnsOfTheQueuesEnd(connection) {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  assert.match(queue, /^amq\.gen-/);
  const inbox = new Inbox();
  await channel.consume(queue, (message) => inbox.put(message));
  await channel.deleteQueue(queue);
  assert.equal(await inbox.next("the broker's cancel"), null);
  await channel.close();
}

const scenarios = [
  confirmsAndAcks,
  mandatoryReturns,
  requeuedIsRedelivered,
  prefetchLimits,
  topicRoutes,
  headersKeepTheirTypes,
  directReplyTo,
  refusalClosesOnlyTheChannel,
  largeAndEmptyBodies,
  consumerLearnsOfTheQueuesEnd,
];

const connection = await within(amqp.connect(process.argv[2]), "connecting");
try {
  for (const scenario of scenarios) {
    try {
      await scenario(connection);
      console.log(`ok    ${scenario.name}`);
    } catch (error) {
      console.log(`FAIL  ${scenario.name}\n${error.stack}`);
      console.log(`Error: ${scenario.name}: ${error.message.split("\n")[0]}`);
      process.exitCode = 1;
      break;
    }
  }
} finally {
  await connection.close().catch(() => {});
}
