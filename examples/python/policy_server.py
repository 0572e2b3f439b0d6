"""Serves a policy to korr, in openpi's protocol: WebSocket, msgpack, an observation dictionary in, a chunk of actions out.

    python3 examples/python/policy_server.py configs/weights/one_leg/base.safetensors --port 8000
    korr eval --policy remote:ws://127.0.0.1:8000

serve() takes any function from observations to actions (serve_lerobot.py has another); Cloned is korr's own chunked MLP in
NumPy, which answers as the checkpoint does in process. Needs numpy, websockets and msgpack (Debian: python3-numpy,
python3-websockets, python3-msgpack). docs/interop.md has the keys.
"""

import argparse
import asyncio
import json
import struct
import time

import msgpack
import numpy as np
import websockets


def pack(obj):
    """An array's form on the wire: a dictionary whose keys are bytes."""
    if isinstance(obj, np.ndarray):
        return {b"__ndarray__": True, b"data": obj.tobytes(), b"dtype": obj.dtype.str, b"shape": obj.shape}
    if isinstance(obj, np.generic):
        return {b"__npgeneric__": True, b"data": obj.item(), b"dtype": obj.dtype.str}
    raise TypeError(f"{type(obj)} has no form on the wire")


def unpack(obj):
    if b"__ndarray__" in obj:
        return np.ndarray(buffer=obj[b"data"], dtype=np.dtype(obj[b"dtype"]), shape=obj[b"shape"])
    if b"__npgeneric__" in obj:
        return np.dtype(obj[b"dtype"]).type(obj[b"data"])
    return obj


def serve(infer, metadata, host="127.0.0.1", port=8000):
    """Answers every observation dictionary with infer(observation), until interrupted."""

    async def handle(ws):
        await ws.send(msgpack.packb(metadata, default=pack))
        async for message in ws:
            start = time.monotonic()
            try:
                answer = infer(msgpack.unpackb(message, object_hook=unpack, strict_map_key=False))
                answer["server_timing"] = {"infer_ms": 1e3 * (time.monotonic() - start)}
                await ws.send(msgpack.packb(answer, default=pack))
            except Exception as err:  # a text frame is the server's error
                await ws.send(f"{type(err).__name__}: {err}")
                raise

    async def main():
        async with websockets.serve(handle, host, port, compression=None, max_size=None):
            print(f"serving on ws://{host}:{port}", flush=True)
            await asyncio.Future()

    asyncio.run(main())


class Cloned:
    """korr's chunked MLP: raw observations to raw actions."""

    def __init__(self, path):
        with open(path, "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
            data = f.read()
        self.meta = header.pop("__metadata__")
        if not self.meta["format"].startswith("korr/basepolicy.MLP/"):
            raise SystemExit(f"{path} is {self.meta['format']}, no chunked MLP")
        self.tensor = {}
        for name, t in header.items():
            a, b = t["data_offsets"]
            self.tensor[name] = np.frombuffer(data[a:b], np.float32).reshape(t["shape"])
        self.config = json.loads(self.meta["config"])
        self.poses = int(self.meta.get("obs.poses", 0))

    def metadata(self):
        korr = {"batch": 64, "features": self.config.get("features", 0), "obs_poses": self.poses}
        for name in ("obs_min", "obs_max", "act_min", "act_max"):
            korr[name] = self.tensor[name.replace("_", ".")]
        if "ensemble" in self.meta:
            korr["ensemble"] = float(self.meta["ensemble"])
        return {"korr": korr}

    def infer(self, observation):
        t = self.tensor
        state, parts = observation["observation.state"], observation["observation.environment_state"]
        if self.poses:
            parts = rotations6d(parts.reshape(len(parts), self.poses, 7)).reshape(len(parts), -1)
        x = np.concatenate([state, parts], axis=1)
        x = 2 * (x - t["obs.min"]) / (t["obs.max"] - t["obs.min"]) - 1
        x = np.clip(x, -3, 3)
        tool = x[:, :3]
        if "observation.features" in observation:
            x = np.concatenate([x, observation["observation.features"]], axis=1)
        layers = sorted(int(k.split(".")[1]) for k in t if k.startswith("net.") and k.endswith(".weight"))
        for i in layers:
            x = x @ t[f"net.{i}.weight"].T + t[f"net.{i}.bias"]
            if i != layers[-1]:
                x = np.maximum(x, 0)
        x = x.reshape(len(x), self.config["horizon"], self.config["act_dim"])
        if "relative" in t:  # positions are from where the tool is, in units of every step
            x = x.copy()
            here = (tool + 1) / 2 * (t["obs.max"] - t["obs.min"])[:3] + t["obs.min"][:3]
            here = 2 * (here - t["act.min"][:3]) / (t["act.max"] - t["act.min"])[:3] - 1
            x[..., :3] = here[:, None] + t["relative"] * x[..., :3]
        return {"actions": (x + 1) / 2 * (t["act.max"] - t["act.min"]) + t["act.min"]}


def rotations6d(poses):
    """Poses [..., 7] with a quaternion x y z w to [..., 9] with the first two rows of the rotation matrix."""
    p, (x, y, z, w) = poses[..., :3], np.moveaxis(poses[..., 3:].astype(np.float64), -1, 0)
    n = np.sqrt(x * x + y * y + z * z + w * w)
    x, y, z, w = x / n, y / n, z / n, w / n
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]
    return np.concatenate([p, np.stack(rows, axis=-1).astype(np.float32)], axis=-1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="of a base policy of korr, arch mlp-bc")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    policy = Cloned(args.checkpoint)
    serve(policy.infer, policy.metadata(), args.host, args.port)
