// Reads everything that a server shows, with the independent client, and prints what came as JSON:
//   npm install @foxglove/ws-protocol @foxglove/rosmsg @foxglove/rosmsg2-serialization ws
//   NODE_MODULES=FOLDER node client.mjs ws://127.0.0.1:8765 [SECONDS]
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_MODULES ? process.env.NODE_MODULES + "/x.js" : import.meta.url);
const { FoxgloveClient } = require("@foxglove/ws-protocol");
const { WebSocket } = require("ws");
const { parse } = require("@foxglove/rosmsg");
const { MessageReader } = require("@foxglove/rosmsg2-serialization");

const url = process.argv[2], seconds = Number(process.argv[3] ?? 3);
const client = new FoxgloveClient({ ws: new WebSocket(url, [FoxgloveClient.SUPPORTED_SUBPROTOCOL]) });
const channels = [], subscribed = new Map(), counts = {}, last = {}, statuses = [];
let name = "";
client.on("error", (e) => {
  console.error(String(e.message ?? e));
  process.exit(1);
});
client.on("status", (s) => statuses.push(s.message));
client.on("serverInfo", (i) => (name = i.name));
client.on("advertise", (list) => {
  for (const c of list) {
    channels.push({ topic: c.topic, type: c.schemaName });
    subscribed.set(client.subscribe(c.id), { topic: c.topic, reader: new MessageReader(parse(c.schema, { ros2: true })) });
  }
});
client.on("message", ({ subscriptionId, data }) => {
  const { topic, reader } = subscribed.get(subscriptionId);
  last[topic] = reader.readMessage(data);
  counts[topic] = (counts[topic] ?? 0) + 1;
});
const plain = (_, v) => {
  if (typeof v === "bigint") return Number(v);
  return ArrayBuffer.isView(v) ? Array.from(v, Number) : v;
};
setTimeout(() => {
  console.log(JSON.stringify({ name, channels, counts, last, statuses }, plain));
  process.exit(0);
}, seconds * 1000);
