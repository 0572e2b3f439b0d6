// The protocol, version 1: see the package comment of sim/view.

const frameHeader = 16, bodySize = 20, contactSize = 20, sampleHeader = 8;

/** decodeFrame reads a message of kind 1: poses is [7 * bodies], position (m) and quaternion x y z w. */
function decodeFrame(view) {
  const bodies = view.getUint16(2, true);
  const frame = { number: view.getUint32(4, true), step: view.getUint32(8, true), time: view.getFloat32(12, true), poses: new Float32Array(7 * bodies), contacts: null };
  let at = frameHeader;
  for (let i = 0; i < bodies; i++, at += bodySize) {
    for (let k = 0; k < 3; k++) frame.poses[7 * i + k] = view.getFloat32(at + 4 * k, true);
    for (let k = 0; k < 4; k++) frame.poses[7 * i + 3 + k] = view.getInt16(at + 12 + 2 * k, true) / 32767;
  }
  if (view.getUint8(1)) {
    const n = view.getUint16(at, true);
    at += 4;
    frame.contacts = [];
    for (let i = 0; i < n; i++, at += contactSize) {
      const f = (k) => view.getFloat32(at + 4 * k, true), u = (k) => view.getInt16(at + 12 + 2 * k, true) / 32767;
      frame.contacts.push({ pos: [f(0), f(1), f(2)], normal: [u(0), u(1), u(2)], depth: view.getInt16(at + 18, true) * 1e-6 });
    }
  }
  return frame;
}

function decodeSamples(view) {
  const size = view.getUint16(2, true), n = view.getUint32(4, true), samples = [];
  for (let i = 0; i < n; i++) {
    const at = sampleHeader + size * i, f = (k) => view.getFloat32(at + k, true), flags = view.getUint8(at + 21);
    const pose = (from) => Array.from({ length: 7 }, (_, k) => f(from + 4 * k));
    samples.push({
      step: view.getUint32(at, true), time: f(4), reward: f(8), residual: f(12), innovation: f(16), phase: view.getUint8(at + 20),
      target: flags & 1 ? pose(24) : null, base: flags & 2 ? pose(52) : null, ended: !!(flags & 4), success: !!(flags & 8),
    });
  }
  return { anew: !!view.getUint8(1), samples };
}

/** connect keeps a connection open and hands what comes to on.scene, on.state, on.error, on.frame, on.samples, on.lost. */
export function connect(on) {
  let socket, wait = 500;
  const open = () => {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { wait = 500; on.open(); };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        const m = JSON.parse(data);
        on[m.type]?.(m);
        return;
      }
      const view = new DataView(data);
      if (view.getUint8(0) === 1) on.frame(decodeFrame(view));
      else on.samples(decodeSamples(view));
    };
    socket.onclose = () => {
      on.lost();
      setTimeout(open, wait);
      wait = Math.min(2 * wait, 8000);
    };
  };
  open();
  return (cmd, fields = {}) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ cmd, ...fields }));
  };
}
