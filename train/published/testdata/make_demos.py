"""Writes demos.zarr, three tiny episodes laid out as the published demonstrations, and demos.json, what they hold.
Run: python3 make_demos.py (zarr 2.13, numcodecs)."""
import json
import os
import shutil

import numcodecs
import numpy as np
import zarr

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(3)
lengths, parts = [4, 3, 5], 6
n = sum(lengths)


def quats(*shape):
    q = rng.normal(size=shape + (4,))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def six(q):
    x, y, z, w = np.moveaxis(q, -1, 0)
    return np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], -1)


state = np.concatenate([rng.normal(size=(n, 3)), six(quats(n)), rng.normal(size=(n, 7))], -1).astype("f4")
poses = np.concatenate([rng.normal(size=(n, parts, 3)), quats(n, parts)], -1).reshape(n, -1).astype("f4")
action = np.concatenate([rng.normal(size=(n, 3)), six(quats(n)), np.sign(rng.normal(size=(n, 1)))], -1).astype("f4")
reward = np.zeros(n, "f4")
reward[3] = reward[n - 1] = 1

path = os.path.join(here, "demos.zarr")
shutil.rmtree(path, ignore_errors=True)
z = zarr.open(path, mode="w")
lz4 = numcodecs.Blosc(cname="lz4", clevel=5)
z.create_dataset("robot_state", data=state, chunks=(5, 16))  # zarr's default: blosc lz4, byte shuffle
z.create_dataset("parts_poses", data=poses, chunks=poses.shape, compressor=lz4)
z.create_dataset("action/pos", data=action, chunks=(4, 10), compressor=None)
z.create_dataset("action/delta", data=action, chunks=(4, 10), compressor=lz4)
z.create_dataset("reward", data=reward, chunks=(1000,), compressor=numcodecs.Blosc("zstd", 5, 2))
z.create_dataset("skill", data=reward, chunks=(1000,))
z.create_dataset("episode_ends", data=np.cumsum(lengths).astype("u4"))
z.create_dataset("success", data=np.array([1, 0, 1], "u1"))
z.create_dataset("failure_idx", data=np.array([-1, -1, -1], "i4"))
z.create_dataset("task", data=np.array(["one_leg"] * 3, dtype=object), dtype=str)
z.create_dataset("pickle_file", data=np.array([f"sim/one_leg/{i}.pkl" for i in range(3)], dtype=object), dtype=str, chunks=(2,))
z.create_dataset("color_image2", data=rng.integers(0, 255, (n, 4, 6, 3)).astype("u1"), chunks=(2, 4, 6, 3), compressor=lz4)
z.attrs["rotation_mode"], z.attrs["n_episodes"], z.attrs["n_timesteps"], z.attrs["task"], z.attrs["randomness"] = "rot_6d", 3, n, "one_leg", "low"
fixed = poses.reshape(n, parts, 7).copy()
fixed[..., 3:] *= np.where(fixed[..., 6:] < 0, -1, 1)
with open(os.path.join(here, "demos.json"), "w") as f:
    json.dump({"lengths": lengths, "state": state.ravel().tolist(), "env": fixed.ravel().tolist(), "action": action.ravel().tolist(), "reward": reward.tolist()}, f)
