#!/usr/bin/env python3
"""Converts a robomimic HDF5 file into a zarr v2 directory that `korr import` reads.

    python3 robomimic_to_zarr.py square.hdf5 square.zarr --task square --parts object:0 object:7
    korr import square.zarr --out runs/square

Needs h5py and numpy. HDF5 has no decoder in pure Go, and a robot's binary carries no C library for a format that is read
once on a workstation, where robomimic's users have h5py.

What becomes what (data/demo_i of the HDF5 file):

    robot_state [T,16]  obs/robot0_eef_pos, obs/robot0_eef_quat (x y z w) as 6D, obs/robot0_eef_vel_lin, obs/robot0_eef_vel_ang
                        (or differences of the poses where they are absent), the opening of obs/robot0_gripper_qpos
    parts_poses [T,7P]  for each --parts KEY:AT, seven columns of obs/KEY from AT on: position, quaternion x y z w
    action/pos [T,10]   where the tool shall be. Seven columns of actions are position, axis-angle and gripper: absolute when
                        env_args says control_delta false, else changes: clipped to the controller's input range, which is laid
                        on its output range, as robosuite's OSC_POSE does. Other controllers are refused
    reward, success     rewards; an episode with a reward or with dones at its end succeeded

Everything stays in the frame of the file. Bad data is refused with the name of the demonstration and the frame, and no
directory is left behind.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile

import h5py
import numpy as np


class BadData(Exception):
    pass


def matrix(q):
    """Rotation matrices [T,3,3] of quaternions x y z w [T,4]."""
    x, y, z, w = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    return np.stack([
        1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
        2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
        2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], -1).reshape(-1, 3, 3)


def axis_angle(v):
    """Rotation matrices of axis-angle vectors [T,3] (Rodrigues)."""
    a = np.linalg.norm(v, axis=-1)[:, None, None]
    k = np.zeros((len(v), 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    k -= np.swapaxes(k, 1, 2)
    sinc = np.sinc(a / np.pi)
    half = np.sinc(a / 2 / np.pi) ** 2 / 2
    return np.eye(3) + sinc * k + half * (k @ k)


def vector(r):
    """Axis-angle vectors of small rotation matrices."""
    v = np.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], -1) / 2
    s = np.linalg.norm(v, axis=-1, keepdims=True)
    return v * np.where(s > 1e-9, np.arcsin(np.clip(s, 0, 1)) / np.maximum(s, 1e-9), 1)


def read(demo, key, width=None):
    if key not in demo:
        raise BadData(f"{demo.name}: {key} is missing")
    v = np.asarray(demo[key], np.float64)
    if v.ndim == 1:
        v = v[:, None]
    if v.ndim != 2 or (width and v.shape[1] != width):
        raise BadData(f"{demo.name}/{key} is {v.shape}, want rows of {width or 'numbers'}")
    bad = np.argwhere(~np.isfinite(v))
    if len(bad):
        raise BadData(f"{demo.name}/{key} is {v[tuple(bad[0])]} at frame {bad[0][0]}, element {bad[0][1]}")
    return v


def quaternions(demo, key, q):
    n = np.linalg.norm(q, axis=-1)
    bad = np.flatnonzero(np.abs(n - 1) > 0.02)
    if len(bad):
        raise BadData(f"{demo.name}/{key}: the quaternion of frame {bad[0]} has length {n[bad[0]]:.3g}")
    return q


def default(value, fallback):
    return fallback if value is None else value


def controller(file):
    """What the controller made of an action, from env_args: whether actions are changes, how they are scaled, and the rate in Hz.

    A file whose env_args say something else than what is assumed here, or say nothing, is refused: a guess would be off by a factor.
    """
    text = file["data"].attrs.get("env_args")
    if text is None:
        raise BadData("group data has no attribute env_args, which says what actions mean")
    env = json.loads(text)
    kwargs = env.get("env_kwargs") if isinstance(env, dict) else None
    if not isinstance(kwargs, dict):
        raise BadData("group data, env_args: env_kwargs is %s, want the robot's settings, which say what actions mean" % json.dumps(kwargs))
    c = kwargs.get("controller_configs")
    if isinstance(c, dict) and isinstance(c.get("body_parts"), dict):  # robosuite 1.5
        c = c["body_parts"].get("right")
    if not isinstance(c, dict):
        raise BadData("group data, env_args: controller_configs is %s, want one arm's controller" % json.dumps(c))
    if c.get("type") != "OSC_POSE":
        raise BadData("group data, env_args: the controller is of type %s, want \"OSC_POSE\"" % json.dumps(c.get("type")))
    if c.get("input_ref_frame", "base") not in ("base", "world"):
        raise BadData("group data, env_args: actions are in the frame %s, want base or world" % json.dumps(c["input_ref_frame"]))
    delta = bool(default(c.get("control_delta"), c.get("input_type", "delta") == "delta"))

    def bounds(name, high):
        top = np.broadcast_to(np.asarray(default(c.get(name + "_max"), high), np.float64), 6)
        low = np.broadcast_to(np.asarray(default(c.get(name + "_min"), -top), np.float64), 6)
        if not (np.isfinite(top).all() and np.isfinite(low).all() and (low < top).all()):
            raise BadData(f"group data, env_args: {name}_min is {low.tolist()}, {name}_max {top.tolist()}")
        return low, top

    fps = kwargs.get("control_freq", 20)  # robosuite's own default
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps <= 1000:
        raise BadData("group data, env_args: control_freq is %s, want a number from 0 to 1000" % json.dumps(fps))
    return delta, (bounds("input", 1.0), bounds("output", [0.05] * 3 + [0.5] * 3)), fps, env


def executed(act, scale):
    """What the controller makes of actions [T,6]: clipped to its input range, which is laid on its output range."""
    (low_in, high_in), (low, high) = scale
    share = (np.clip(act, low_in, high_in) - low_in) / (high_in - low_in)
    return low + share * (high - low)


def convert(demo, parts, delta, scale, fps):
    pos, quat = read(demo, "obs/robot0_eef_pos", 3), quaternions(demo, "obs/robot0_eef_quat", read(demo, "obs/robot0_eef_quat", 4))
    turn, act = matrix(quat), read(demo, "actions", 7)
    lin = read(demo, "obs/robot0_eef_vel_lin", 3) if "obs/robot0_eef_vel_lin" in demo else np.diff(pos, axis=0, prepend=pos[:1]) * fps
    if "obs/robot0_eef_vel_ang" in demo:
        ang = read(demo, "obs/robot0_eef_vel_ang", 3)
    else:
        before = np.concatenate([turn[:1], turn[:-1]])
        ang = vector(turn @ np.swapaxes(before, 1, 2)) * fps
    fingers = read(demo, "obs/robot0_gripper_qpos")
    state = np.concatenate([pos, turn.reshape(-1, 9)[:, :6], lin, ang, np.abs(fingers).sum(1, keepdims=True)], 1)
    poses = []
    for key, at in parts:
        v = read(demo, "obs/" + key)
        if v.shape[1] < at + 7:
            raise BadData(f"{demo.name}/obs/{key} has {v.shape[1]} columns, a pose from column {at} needs {at + 7}")
        quaternions(demo, f"obs/{key}", v[:, at + 3:at + 7])
        poses.append(v[:, at:at + 7])
    if delta:
        change = executed(act[:, :6], scale)
        to = pos + change[:, :3]
        rot = axis_angle(change[:, 3:6]) @ turn
    else:
        to, rot = act[:, :3], axis_angle(act[:, 3:6])
    action = np.concatenate([to, rot.reshape(-1, 9)[:, :6], act[:, 6:]], 1)
    reward = read(demo, "rewards", 1)
    done = read(demo, "dones", 1)[-1, 0] > 0 if "dones" in demo else False
    rows = {"robot_state": state, "parts_poses": np.concatenate(poses, 1), "action/pos": action, "reward": reward[:, 0]}
    for name, v in rows.items():
        if len(v) != len(act):
            raise BadData(f"{demo.name}: {name} has {len(v)} frames, actions {len(act)}")
    if len(act) == 0:
        raise BadData(f"{demo.name} has no frames")
    return rows, bool(reward.max() > 0 or done)


def write(root, name, v):
    """One uncompressed array of one chunk (zarr v2)."""
    path = os.path.join(root, name)
    os.makedirs(path)
    v = np.ascontiguousarray(v)
    meta = {"zarr_format": 2, "shape": list(v.shape), "chunks": list(v.shape), "dtype": v.dtype.str, "compressor": None, "fill_value": 0, "filters": None, "order": "C"}
    with open(os.path.join(path, ".zarray"), "w") as f:
        json.dump(meta, f)
    with open(os.path.join(path, ".".join(["0"] * v.ndim)), "wb") as f:
        f.write(v.tobytes())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("hdf5")
    p.add_argument("zarr")
    p.add_argument("--parts", nargs="+", default=["object:0"], metavar="KEY:AT", help="where poses lie among the observations")
    p.add_argument("--part-names", nargs="+", help="one for each of --parts")
    p.add_argument("--task", help="name of the task; default: env_name of the file")
    p.add_argument("--mask", help="only the demonstrations that mask/MASK lists, such as train")
    p.add_argument("--fps", type=float, help="control steps a second, where the file does not say (control_freq; else robosuite's 20)")
    o = p.parse_args()
    parts = [(k.rpartition(":")[0], int(k.rpartition(":")[2])) for k in o.parts]
    if os.path.lexists(o.zarr):
        sys.exit(f"{o.zarr} exists: choose another path or remove it")
    tmp = tempfile.mkdtemp(prefix=".robomimic-", dir=os.path.dirname(os.path.abspath(o.zarr)))
    try:
        with h5py.File(o.hdf5, "r") as f:
            delta, scale, fps, env = controller(f)
            said = "control_freq" in env["env_kwargs"]
            if o.fps and said and o.fps != fps:
                raise BadData(f"group data, env_args: control_freq is {fps}, --fps {o.fps:g}")
            if o.fps:
                fps = o.fps
            names = sorted(f["data"], key=lambda n: int(n.rpartition("_")[2]))
            if o.mask:
                if f"mask/{o.mask}" not in f:
                    raise BadData(f"{o.hdf5} has no mask/{o.mask}; it has {sorted(f.get('mask', {}))}")
                chosen = {n.decode() if isinstance(n, bytes) else n for n in f[f"mask/{o.mask}"]}
                if chosen - set(names):
                    raise BadData(f"mask/{o.mask} lists {sorted(chosen - set(names))[0]}, which data lacks")
                names = [n for n in names if n in chosen]
            if not names:
                raise BadData("no demonstrations")
            all_rows, success = [], []
            for n in names:
                rows, ok = convert(f["data"][n], parts, delta, scale, fps)
                samples = f["data"][n].attrs.get("num_samples")
                if samples is not None and int(samples) != len(rows["reward"]):
                    raise BadData(f"data/{n}: num_samples is {samples}, and there are {len(rows['reward'])} (truncated?)")
                all_rows.append(rows)
                success.append(ok)
        with open(os.path.join(tmp, ".zgroup"), "w") as g:
            json.dump({"zarr_format": 2}, g)
        for name in ("robot_state", "parts_poses", "action/pos", "reward"):
            write(tmp, name, np.concatenate([r[name] for r in all_rows]).astype("<f4"))
        write(tmp, "episode_ends", np.cumsum([len(r["reward"]) for r in all_rows]).astype("<u4"))
        write(tmp, "success", np.array(success, "u1"))
        write(tmp, "pickle_file", np.array(names, "<U"))
        attrs = {"task": o.task or env.get("env_name", ""), "rotation_mode": "rot_6d", "fps": fps, "part_names": o.part_names or o.parts}
        with open(os.path.join(tmp, ".zattrs"), "w") as g:
            json.dump(attrs, g)
        os.chmod(tmp, 0o755)
        os.rename(tmp, o.zarr)
    except (BadData, OSError, KeyError, ValueError, TypeError, AttributeError) as e:
        sys.exit(f"{o.hdf5}: {e}")
    finally:  # whatever happened: nothing is left there once it is renamed
        shutil.rmtree(tmp, ignore_errors=True)
    print(f"{o.zarr}: {len(names)} demonstrations, {sum(len(r['reward']) for r in all_rows)} frames, {sum(success)} successful; actions were {'changes' if delta else 'absolute'}")


if __name__ == "__main__":
    main()
