// A bridge as teams write it, with mqtt.js and kafkajs, beside `sosstack bridge run`, which has to run: each brings every
// message to Kafka once, and ours in order, whatever the other does.
'use strict';

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs');
const mqtt = require('mqtt');

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

const run = `interop-${Date.now()}-${process.pid}`;
const devices = Array.from({ length: 5 }, (_, n) => `${run}-${n}`);
const messagesEach = 40;
const patience = 40_000;
const target = 'device.alerts';

const kafka = new Kafka({ clientId: run, brokers: process.env.KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
const admin = kafka.admin();
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
const consumer = kafka.consumer({ groupId: run, maxWaitTimeInMs: 200 });

function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()} within ${milliseconds / 1000} s`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const connect = (name) => mqtt.connectAsync(process.env.MQTT_URL, {
  username: process.env.MQTT_USERNAME,
  password: process.env.MQTT_PASSWORD,
  clientId: `${run}-${name}`,
  clean: name !== 'bridge',
});

// The team's own bridge.
async function startBridge() {
  const bridge = await connect('bridge');
  bridge.on('message', async (topic, payload) => {
    const [, device] = topic.split('/');
    await producer.send({
      topic: target,
      acks: -1,
      messages: [{ key: device, value: payload, headers: { source: 'node' } }],
    });
  });
  await bridge.subscribeAsync('device/+/alert', { qos: 1 });
  return bridge;
}

// What each bridge brought, by device: the numbers in the order in which they came.
const brought = { node: new Map(), sosstack: new Map() };
let count = 0;

function take({ message }) {
  const key = message.key && message.key.toString();
  if (!devices.includes(key)) return;
  const by = message.headers.source ? brought.node : brought.sosstack;
  by.set(key, [...(by.get(key) || []), JSON.parse(message.value).n]);
  count += 1;
}

async function main() {
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
  const ends = await admin.fetchTopicOffsets(target);
  await admin.setOffsets({
    groupId: run,
    topic: target,
    partitions: ends.map(({ partition, high }) => ({ partition, offset: high })),
  });
  const bridge = await startBridge();
  await consumer.subscribe({ topic: target });
  let complete;
  const all = new Promise((resolve) => { complete = resolve; });
  const wanted = 2 * devices.length * messagesEach;
  await consumer.run({
    eachMessage: async (one) => {
      take(one);
      if (count >= wanted) complete();
    },
  });

  const publisher = await connect('publisher');
  for (let n = 0; n < messagesEach; n += 1) {
    await Promise.all(devices.map((device) =>
      publisher.publishAsync(`device/${device}/alert`, JSON.stringify({ n }), { qos: 1 })));
  }
  const words = () => Object.entries(brought)
    .map(([who, by]) => `${who} ${[...by.values()].flat().length}`)
    .join(', ');
  await within(patience, () => `of ${wanted / 2} messages, the bridges brought only: ${words()}`, all);

  const inOrder = Array.from({ length: messagesEach }, (_, n) => n).join();
  // The team's sends overlap, which promises no order.
  for (const list of brought.node.values()) list.sort((a, b) => a - b);
  for (const [who, by] of Object.entries(brought)) {
    const wrong = devices.find((device) => (by.get(device) || []).join() !== inOrder);
    if (wrong) throw new Error(`${who} brought of ${wrong}: ${by.get(wrong)}`);
  }
  await bridge.unsubscribeAsync('device/+/alert');
  await Promise.all([bridge.endAsync(), publisher.endAsync(), consumer.disconnect(), producer.disconnect()]);
  // The session that was kept ends by a connection that keeps none.
  await (await mqtt.connectAsync(process.env.MQTT_URL, {
    username: process.env.MQTT_USERNAME,
    password: process.env.MQTT_PASSWORD,
    clientId: `${run}-bridge`,
  })).endAsync();
  await admin.deleteGroups([run]);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
