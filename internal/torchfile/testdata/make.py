"""Writes types.pt and types.json: what torch.save makes of every type, view and container that the package reads.
Run: python3 make.py (PyTorch 1.13)."""
import collections
import json
import os

import numpy
import torch

here = os.path.dirname(os.path.abspath(__file__))
t = torch.arange(24).reshape(2, 3, 4)
x = {
    "float64": torch.tensor([1 / 3, -2.5], dtype=torch.float64),
    "float32": torch.tensor([[0.1, -3e38], [1e-40, 7.0]]),
    "float16": torch.tensor([1.5, -65504.0, 6e-8, 0.1]).half(),
    "bfloat16": torch.tensor([1.5, -3e38, 0.1]).bfloat16(),
    "int64": torch.tensor([-(2**40), 5]),
    "int32": torch.tensor([-7, 2**31 - 1], dtype=torch.int32),
    "int16": torch.tensor([-300, 300], dtype=torch.int16),
    "int8": torch.tensor([-128, 127], dtype=torch.int8),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(4.25),
    "empty": torch.zeros(0, 3),
    "transposed": t.permute(2, 0, 1).float(),
    "view": t[1, 1:, ::2],
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
    "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
}
a = numpy.asfortranarray(numpy.arange(6, dtype=numpy.float32).reshape(2, 3))
out = dict(x, array=a)
out["config"] = {
    "text": "größe", "flag": True, "none": None, "half": 1.5, "big": -(2**32) - 1, "list": [1, [2, "x"]], "tuple": (1, 2, 3, 4), "set": {3},
    "bytes": b"\x00\xffa", "numpy": collections.OrderedDict(f=numpy.float64(0.25), i=numpy.int32(-7), b=numpy.bool_(True)),
}
torch.save(out, os.path.join(here, "types.pt"))
x["array"] = torch.from_numpy(a.copy())
describe = {k: {"dtype": str(v.dtype)[6:], "shape": list(v.shape), "values": v.double().flatten().tolist()} for k, v in x.items()}
with open(os.path.join(here, "types.json"), "w") as f:
    json.dump(describe, f, indent=1)
