// Opens an MCAP file with the independent reader, parses every message with its definition, and prints what was there:
//   npm install @mcap/core @foxglove/rosmsg @foxglove/rosmsg2-serialization fzstd
//   NODE_MODULES=FOLDER node core.mjs FILE.mcap
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_MODULES ? process.env.NODE_MODULES + "/x.js" : import.meta.url);
const { McapIndexedReader } = require("@mcap/core");
const { parse } = require("@foxglove/rosmsg");
const { MessageReader } = require("@foxglove/rosmsg2-serialization");
const { decompress } = require("fzstd");

const file = await open(process.argv[2]);
const readable = {
  size: async () => BigInt((await file.stat()).size),
  read: async (offset, length) => {
    const b = new Uint8Array(Number(length));
    await file.read(b, 0, b.length, Number(offset));
    return b;
  },
};
const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers: { zstd: (b) => decompress(b) } });
const parsers = new Map(), counts = {}, types = {};
let last = 0n, ordered = true, lastPose;
for await (const m of reader.readMessages({ validateCrcs: true })) {
  const channel = reader.channelsById.get(m.channelId), schema = reader.schemasById.get(channel.schemaId);
  if (!parsers.has(schema.id)) {
    parsers.set(schema.id, new MessageReader(parse(new TextDecoder().decode(schema.data), { ros2: true })));
  }
  const message = parsers.get(schema.id).readMessage(m.data);
  if (schema.name === "geometry_msgs/msg/PoseStamped") lastPose = message.pose.position;
  counts[channel.topic] = (counts[channel.topic] ?? 0) + 1;
  types[channel.topic] = schema.name;
  ordered &&= m.logTime >= last;
  last = m.logTime;
}
const { x, y, z } = lastPose;
console.log(JSON.stringify({ profile: reader.header.profile, counts, types, ordered, last: { x, y, z } }));
