"""The published conditional UNet in PyTorch, on one thread, as a peer for `korr bench base`.

Reads names of measurements from stdin, a line each, and answers every one with the milliseconds of a call.
"""

import math
import sys
import time

import torch
from torch import nn


class Step(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, k):
        half = self.dim // 2
        rate = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        phase = k[:, None] * rate[None]
        return torch.cat((phase.sin(), phase.cos()), -1)


class Block(nn.Module):
    def __init__(self, i, o, kernel, groups):
        super().__init__()
        self.block = nn.Sequential(nn.Conv1d(i, o, kernel, padding=kernel // 2), nn.GroupNorm(groups, o), nn.Mish())

    def forward(self, x):
        return self.block(x)


class Residual(nn.Module):
    def __init__(self, i, o, cond, kernel=5, groups=8):
        super().__init__()
        self.out = o
        self.blocks = nn.ModuleList([Block(i, o, kernel, groups), Block(o, o, kernel, groups)])
        self.cond_encoder = nn.Sequential(nn.Mish(), nn.Linear(cond, 2 * o), nn.Unflatten(-1, (-1, 1)))
        self.residual_conv = nn.Conv1d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x, cond):
        y = self.blocks[0](x)
        e = self.cond_encoder(cond).reshape(-1, 2, self.out, 1)
        return self.blocks[1](e[:, 0] * y + e[:, 1]) + self.residual_conv(x)


class Shrink(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv1d(dim, dim, 3, 2, 1)

    def forward(self, x):
        return self.conv(x)


class Stretch(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.ConvTranspose1d(dim, dim, 4, 2, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, act, obs, dims, step=256):
        super().__init__()
        widths = [act] + dims
        pairs = list(zip(widths[:-1], widths[1:]))
        cond, last = obs + step, len(pairs) - 1
        self.diffusion_step_encoder = nn.Sequential(Step(step), nn.Linear(step, 4 * step), nn.Mish(), nn.Linear(4 * step, step))
        self.down_modules = nn.ModuleList(
            nn.ModuleList([Residual(i, o, cond), Residual(o, o, cond), Shrink(o) if n < last else nn.Identity()])
            for n, (i, o) in enumerate(pairs)
        )
        self.mid_modules = nn.ModuleList(Residual(dims[-1], dims[-1], cond) for _ in range(2))
        self.up_modules = nn.ModuleList(
            nn.ModuleList([Residual(2 * o, i, cond), Residual(i, i, cond), Stretch(i)]) for i, o in reversed(pairs[1:])
        )
        self.final_conv = nn.Sequential(Block(dims[0], dims[0], 5, 8), nn.Conv1d(dims[0], act, 1))

    def forward(self, sample, k, obs):
        x = sample.moveaxis(-1, -2)
        cond = torch.cat([self.diffusion_step_encoder(k), obs], -1)
        across = []
        for a, b, shrink in self.down_modules:
            x = b(a(x, cond), cond)
            across.append(x)
            x = shrink(x)
        for m in self.mid_modules:
            x = m(x, cond)
        for a, b, stretch in self.up_modules:
            x = stretch(b(a(torch.cat((x, across.pop()), 1), cond), cond))
        return self.final_conv(x).moveaxis(-1, -2)


def step(dims, horizon):
    net = UNet(10, 58, dims)
    x, obs, k = torch.randn(1, horizon, 10), torch.randn(1, 58), torch.tensor([50])

    def call():
        with torch.inference_mode():
            net(x, k, obs)

    return call


def train(dims, horizon, batch):
    net = UNet(10, 58, dims)
    opt = torch.optim.AdamW(net.parameters(), lr=1e-4)
    x, obs, k = torch.randn(batch, horizon, 10), torch.randn(batch, 58), torch.randint(0, 100, (batch,))

    def call():
        opt.zero_grad()
        nn.functional.mse_loss(net(x, k, obs), x).backward()
        opt.step()

    return call


def main():
    torch.set_num_threads(1)
    calls = {}
    make = {
        "step-small": lambda: step([64, 128, 256], 16),
        "step-published": lambda: step([256, 512, 1024], 32),
        "train-small": lambda: train([64, 128, 256], 16, 64),
    }
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        name, seconds = line.split()
        if name not in calls:
            calls[name] = make[name]()
            calls[name]()
        n, start = 0, time.perf_counter()
        while time.perf_counter() - start < float(seconds):
            calls[name]()
            n += 1
        print((time.perf_counter() - start) / n * 1e3, flush=True)


main()
