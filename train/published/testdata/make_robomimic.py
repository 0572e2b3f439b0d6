"""Writes robomimic.hdf5, two tiny demonstrations as robomimic lays them out, and robomimic.json, the numbers in it.
Run: python3 make_robomimic.py (h5py)."""
import json
import os

import h5py
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)
out = []
with h5py.File(os.path.join(here, "robomimic.hdf5"), "w") as f:
    data = f.create_group("data")
    data.attrs["total"] = 7
    data.attrs["env_args"] = json.dumps({
        "env_name": "PickPlaceCan", "type": 1,
        "env_kwargs": {"controller_configs": {"type": "OSC_POSE", "control_delta": True, "output_max": [0.05] * 3 + [0.5] * 3}},
    })
    for i, n in enumerate((4, 3)):
        def unit():
            q = rng.normal(size=(n, 4))
            return q / np.linalg.norm(q, axis=1, keepdims=True)

        d = data.create_group(f"demo_{i}")
        d.attrs["num_samples"] = n
        x = {
            "actions": np.clip(rng.normal(size=(n, 7)), -1, 1), "rewards": np.eye(n)[-1] * (i == 0), "dones": np.eye(n)[-1] * (i == 0), "states": rng.normal(size=(n, 9)),
            "obs/robot0_eef_pos": rng.normal(size=(n, 3)), "obs/robot0_eef_quat": unit(), "obs/robot0_gripper_qpos": rng.normal(size=(n, 2)) * 0.02,
            "obs/robot0_eef_vel_lin": rng.normal(size=(n, 3)), "obs/robot0_eef_vel_ang": rng.normal(size=(n, 3)),
            "obs/object": np.concatenate([rng.normal(size=(n, 3)), unit(), rng.normal(size=(n, 7))], 1),
        }
        for k, v in x.items():
            d.create_dataset(k, data=v)
        out.append({k: v.ravel().tolist() for k, v in x.items()})
    f.create_dataset("mask/train", data=np.array([b"demo_0"]))
with open(os.path.join(here, "robomimic.json"), "w") as f:
    json.dump(out, f)
