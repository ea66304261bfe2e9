// Publishes messages with MQTT.js and prints "done" once all are acknowledged.
// Usage: node mqttjs_client.cjs URL PROTOCOL_VERSION CLIENT_ID MESSAGES, a JSON list of [topic, payload, qos].
const mqtt = require("mqtt");

const [url, version, clientId, messages] = process.argv.slice(2);

async function main() {
  const client = await mqtt.connectAsync(url, {
    protocolVersion: Number(version),
    clientId,
    reconnectPeriod: 0,
    connectTimeout: 10000,
  });
  await Promise.all(JSON.parse(messages).map(([topic, payload, qos]) => client.publishAsync(topic, payload, { qos })));
  await client.endAsync();
  console.log("done");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
