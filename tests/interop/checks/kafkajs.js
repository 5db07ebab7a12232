// kafkajs: an idempotent producer, and a consumer group of two members that share the partitions: together they
// receive every message once, each key in order.
'use strict';

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs');
// The brokers store snappy, whatever producers send; kafkajs brings gzip only.
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

const topic = process.env.INTEROP_TOPIC || 'device.telemetry';
const run = `interop-${Date.now()}-${process.pid}`;
const devices = 12;
const messagesEach = 5;
const patience = 40_000;

const kafka = new Kafka({
  clientId: run,
  brokers: process.env.KAFKA_BROKERS.split(','),
  logLevel: logLevel.NOTHING,
});
const admin = kafka.admin();
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
const member = { groupId: run, sessionTimeout: 10_000, rebalanceTimeout: 10_000, heartbeatInterval: 300, maxWaitTimeInMs: 200 };
const members = [1, 2].map(() => kafka.consumer(member));

function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()} within ${milliseconds / 1000} s`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The group begins where the topic ends now: what was there before is none of its business.
async function beginAtEnd() {
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.setOffsets({ groupId: run, topic, partitions: ends.map(({ partition, high }) => ({ partition, offset: high })) });
  return ends.length;
}

// Resolves when each member has partitions and together they have all.
function shared(partitions) {
  const assigned = members.map(() => 0);
  return new Promise((resolve) => {
    members.forEach((one, index) => {
      one.on(one.events.GROUP_JOIN, ({ payload }) => {
        assigned[index] = (payload.memberAssignment[topic] || []).length;
        if (assigned.every((n) => n > 0) && assigned.reduce((a, b) => a + b) === partitions) resolve();
      });
    });
  });
}

async function main() {
  await Promise.all([admin.connect(), producer.connect(), ...members.map((one) => one.connect())]);
  const partitions = await beginAtEnd();
  const received = new Map();
  let count = 0;
  let complete;
  const all = new Promise((resolve) => { complete = resolve; });
  const eachMessage = async ({ message }) => {
    const key = message.key && message.key.toString();
    if (!key || !key.startsWith(run)) return;
    received.set(key, [...(received.get(key) || []), Number(message.value)]);
    count += 1;
    if (count >= devices * messagesEach) complete();
  };
  const ready = shared(partitions);
  await Promise.all(members.map((one) => one.subscribe({ topic })));
  await Promise.all(members.map((one) => one.run({ eachMessage })));
  await within(patience, () => 'the group did not share the partitions', ready);

  const keys = Array.from({ length: devices }, (_, n) => `${run}-${n}`);
  for (let n = 0; n < messagesEach; n += 1) {
    await producer.send({ topic, acks: -1, messages: keys.map((key) => ({ key, value: String(n) })) });
  }
  await within(patience, () => `${count} of ${devices * messagesEach} messages arrived`, all);

  const wanted = Array.from({ length: messagesEach }, (_, n) => n).join();
  const wrong = keys.find((key) => (received.get(key) || []).join() !== wanted);
  if (wrong) throw new Error(`key ${wrong}: received ${received.get(wrong)}, sent ${wanted}`);

  await Promise.all(members.map((one) => one.disconnect()));
  await admin.deleteGroups([run]);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
