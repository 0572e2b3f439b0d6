"""Writes codecs.json, chunks of numcodecs' compressors, and store.zarr, arrays of zarr. Run: python3 make.py (zarr 2.13)."""
import base64
import json
import os
import shutil

import numcodecs
import numpy as np
import zarr

here = os.path.dirname(os.path.abspath(__file__))


def data(n):
    i = np.arange(n, dtype=np.int64)
    return (i // 9 % 40 + i // 700 % 200).astype(np.uint8)


out = []
for name in ("lz4", "lz4hc", "zlib", "zstd"):
    for shuffle in (0, 1, 2):
        for size, n in ((1, 900), (4, 6), (4, 1003), (4, 40000), (8, 8192), (8, 9001), (20, 8000)):
            typed = data(n)
            if n % size == 0:
                typed = np.frombuffer(typed.tobytes(), f"V{size}" if size > 8 else f"u{size}")
            blosc = numcodecs.Blosc(cname=name, clevel=5, shuffle=shuffle, blocksize=0 if n != 40000 else 16384)
            out.append(["blosc", f"{name} shuffle {shuffle} size {size}", n, base64.b64encode(blosc.encode(typed)).decode()])
rng = np.random.default_rng(1)
out.append(["blosc", "split off", 8192, base64.b64encode(numcodecs.Blosc(cname="lz4", clevel=9).encode(np.frombuffer(data(8192).tobytes(), "u4"))).decode()])
for codec in (numcodecs.Zlib(), numcodecs.GZip(), numcodecs.Zstd(), numcodecs.LZ4()):
    for n in (1, 900, 40000):
        out.append([codec.codec_id, codec.codec_id, n, base64.b64encode(codec.encode(data(n))).decode()])
with open(os.path.join(here, "codecs.json"), "w") as f:
    json.dump(out, f, indent=0)

path = os.path.join(here, "store.zarr")
shutil.rmtree(path, ignore_errors=True)
z = zarr.open(path, mode="w")
z.attrs["task"], z.attrs["n_episodes"] = "one_leg", 3
grid = (np.arange(35 * 7).reshape(35, 7) / 8).astype("f4")
z.create_dataset("grid/whole", data=grid, chunks=grid.shape)
z.create_dataset("grid/chunked", data=grid, chunks=(10, 3), compressor=numcodecs.Blosc("zstd", 3, 2))
z.create_dataset("grid/raw", data=grid, chunks=(8, 7), compressor=None)
z.create_dataset("grid/zlib", data=grid.astype(">f8"), chunks=(40, 7), compressor=numcodecs.Zlib())
z.create_dataset("grid/nested", data=grid, chunks=(10, 3), dimension_separator="/")
z.create_dataset("cube", data=np.arange(60, dtype="i2").reshape(3, 4, 5) - 30, chunks=(2, 3, 2))
for kind in ("u1", "u2", "u4", "u8", "i1", "i4", "i8", "b1"):
    z.create_dataset("kinds/" + kind, data=np.array([0, 1, 1, 100 if kind != "b1" else 1]).astype(kind))
z.create_dataset("filled", shape=(5,), chunks=(2,), dtype="f4", fill_value=2.5)
z["filled"][2:4] = [7, 8]
z.create_dataset("nan", shape=(2,), dtype="f8", fill_value=np.nan)
z.create_dataset("empty", shape=(0, 7), dtype="f4")
z.create_dataset("text/object", data=np.array(["one_leg", "größe", ""], dtype=object), dtype=str, chunks=(2,))
z.create_dataset("text/fixed", data=np.array(["lamp", "größe", ""]))
z.create_dataset("text/bytes", data=np.array([b"lamp", b"x", b""]))
z.create_dataset("fortran", data=np.asfortranarray(grid), order="F")
