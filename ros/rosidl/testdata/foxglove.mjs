// Serialises values with @foxglove/rosmsg2-serialization, from definitions in ROS 2's message language:
//   npm install @foxglove/rosmsg @foxglove/rosmsg2-serialization
//   node foxglove.mjs < values.json > bytes.json
// 64-bit integers come as texts like "12n".
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_MODULES ? process.env.NODE_MODULES + "/x.js" : import.meta.url);
const { parse } = require("@foxglove/rosmsg");
const { MessageWriter } = require("@foxglove/rosmsg2-serialization");

const big = (_, v) => (typeof v === "string" && /^-?\d+n$/.test(v) ? BigInt(v.slice(0, -1)) : v);
const out = {};
for (const { name, schema, value } of JSON.parse(readFileSync(0, "utf8"), big)) {
  const definitions = parse(schema, { ros2: true });
  out[name] = Buffer.from(new MessageWriter(definitions).writeMessage(value)).toString("hex");
}
process.stdout.write(JSON.stringify(out, null, 1) + "\n");
