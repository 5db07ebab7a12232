// kafkajs: an idempotent producer, and a consumer group of two members that share the partitions: together they
// receive every message once, each key in order. And what kafkajs is without a codec for snappy: dead at the first
// message of brokers that store it, as they do by default; at home where they keep what producers send.
'use strict';

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs');

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
async function beginAtEnd(groupId) {
  const ends = await admin.fetchTopicOffsets(topic);
  await admin.setOffsets({ groupId, topic, partitions: ends.map(({ partition, high }) => ({ partition, offset: high })) });
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

// The first message reaches a program that has kafkajs alone, or ends it: as docs/clients.md says.
async function withoutCodec() {
  const { resources } = await admin.describeConfigs({
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['compression.type'] }],
  });
  const stored = resources[0].configEntries[0].configValue;
  const groupId = `${run}-plain`;
  await beginAtEnd(groupId);
  const consumer = kafka.consumer({ ...member, groupId, retry: { retries: 0 } });
  let settle;
  const settled = new Promise((resolve) => { settle = resolve; });
  consumer.on(consumer.events.CRASH, ({ payload }) => settle(payload.error.message));
  await consumer.connect();
  await consumer.subscribe({ topic });
  await consumer.run({ eachMessage: async ({ message }) => { if (String(message.key) === run) settle('read'); } });
  await producer.send({ topic, acks: -1, messages: [{ key: run, value: 'plain' }] });
  const end = await within(patience, () => 'a consumer without a codec neither read nor failed', settled);
  await consumer.disconnect();
  const wanted = stored === 'snappy' ? 'Snappy compression not implemented' : 'read';
  if (!end.includes(wanted)) throw new Error(`without a codec, from brokers that store ${stored}: ${end}`);
}

async function main() {
  await Promise.all([admin.connect(), producer.connect(), ...members.map((one) => one.connect())]);
  await withoutCodec();
  // What every program that uses kafkajs on such brokers has to do.
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
  const partitions = await beginAtEnd(run);
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
  await admin.deleteGroups([run, `${run}-plain`]);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
