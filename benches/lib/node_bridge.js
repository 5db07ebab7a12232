// A bridge as teams write it, with mqtt.js and kafkajs: a handler that sends each message to Kafka. Its session is kept, so
// that Mosquitto queues while it is away. mqtt.js acknowledges a message when its handler is called, and waits for no
// promise of it: what Kafka does not have yet goes with the process. It can wait for a callback (handleMessage), for one
// message at a time.
//
// BATCH=MS is how they write it when that is too slow: what came within so many milliseconds is sent together.
'use strict';

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

const { Kafka, logLevel } = require('kafkajs');
const mqtt = require('mqtt');

// Lines of a Kafka topic and the MQTT filters that go there.
const routes = process.env.ROUTES.split('\n').flatMap((line) => {
  const [topic, ...filters] = line.split(' ');
  return filters.map((filter) => ({ filter, topic, pattern: new RegExp(`^${filter.replaceAll('+', '[^/]+')}$`) }));
});
const clientId = process.env.BATCH ? 'bench-batched' : 'bench-node';
const kafka = new Kafka({ clientId, brokers: process.env.KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
// With kafkajs's defaults, neither of these, a backlog's many requests ran into its time-outs: half as fast, and a quarter
// of the messages twice.
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });

function toKafka(name, payload) {
  const { topic } = routes.find(({ pattern }) => pattern.test(name));
  return { topic, messages: [{ key: name.split('/')[1], value: payload }] };
}

const sendOne = async (name, payload) => {
  try {
    await producer.send({ ...toKafka(name, payload), acks: -1 });
  } catch (error) {
    console.error(`${name}: ${error.message}`);
  }
};

// Gathers, and sends what was gathered when the last batch is through: not more at once than Kafka takes in a request.
function gather(milliseconds) {
  const most = 1000;
  const waiting = [];
  let sending = false;
  setInterval(async () => {
    if (sending) return;
    sending = true;
    while (waiting.length > 0) {
      const topicMessages = waiting.splice(0, most);
      try {
        await producer.sendBatch({ topicMessages, acks: -1 });
      } catch (error) {
        console.error(`${topicMessages.length} messages: ${error.message}`);
      }
    }
    sending = false;
  }, milliseconds);
  return (name, payload) => waiting.push(toKafka(name, payload));
}

async function main() {
  await producer.connect();
  const client = mqtt.connect(process.env.MQTT_URL, {
    username: process.env.MQTT_USERNAME,
    password: process.env.MQTT_PASSWORD,
    clientId,
    clean: false,
  });
  client.on('connect', async () => {
    console.log('connected');
    await client.subscribeAsync(routes.map(({ filter }) => filter), { qos: 1 });
  });
  client.on('message', process.env.BATCH ? gather(Number(process.env.BATCH)) : sendOne);
  process.on('SIGTERM', async () => {
    await client.endAsync();
    await producer.disconnect();
    process.exit(0);
  });
}

main();
