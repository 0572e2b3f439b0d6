#!/usr/bin/env python3
"""Loads what `korr export` wrote into PyTorch tensors under the published names, and compares it with a PyTorch checkpoint.

    python3 load_export.py actor.safetensors [actor_chkpt.pt]

With the authors' code: policy.load_state_dict(load("actor.safetensors")[0]). Only torch is needed; the package safetensors
reads the file too (safetensors.torch.load_file)."""
import json
import struct
import sys

import torch


def load(path):
    """Returns the state dictionary and the configuration in a safetensors file of float32 tensors."""
    with open(path, "rb") as f:
        data = f.read()
    size = struct.unpack("<Q", data[:8])[0]
    head, body = json.loads(data[8:8 + size]), bytearray(data[8 + size:])
    meta, state = head.pop("__metadata__", {}), {}
    for name, t in head.items():
        begin, end = t["data_offsets"]
        flat = torch.frombuffer(body, dtype=torch.float32, count=(end - begin) // 4, offset=begin) if end > begin else torch.zeros(0)
        state[name] = flat.reshape(t["shape"]).clone()
    return state, json.loads(meta.get("config", "{}"))


if __name__ == "__main__":
    state, config = load(sys.argv[1])
    print(f"{len(state)} tensors, {sum(t.numel() for t in state.values())} numbers, task {config.get('env', {}).get('task')}")
    if len(sys.argv) > 2:
        other = torch.load(sys.argv[2], map_location="cpu")
        want = other["model_state_dict"]
        wrong = [k for k in want if k not in state or not torch.equal(state[k], want[k].float())] + [k for k in state if k not in want]
        if wrong or config != other.get("config", config):
            sys.exit(f"{len(wrong)} tensors differ, such as {wrong[:3]}; configuration equal: {config == other.get('config')}")
        print("every tensor and the configuration are equal")
