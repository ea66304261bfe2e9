// Publishes three messages of each QoS with MQTT.js and prints "done" once all are acknowledged.
// Usage: node publish.mjs URL PROTOCOL_VERSION CLIENT_ID
import mqtt from "mqtt";

const [url, version, clientId] = process.argv.slice(2);
const client = await mqtt.connectAsync(url, {
  protocolVersion: Number(version),
  clientId,
  reconnectPeriod: 0,
  connectTimeout: 10000,
});
for (const qos of [0, 1, 2]) {
  for (let n = 0; n < 3; n++) {
    const options = version === "5" ? { properties: { userProperties: { "message-id": `${qos}-${n}` } } } : {};
    await client.publishAsync(`mqttjs/${qos}`, JSON.stringify({ n }), { qos, ...options });
  }
}
await client.endAsync();
console.log("done");
