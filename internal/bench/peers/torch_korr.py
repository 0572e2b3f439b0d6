"""KORR's published networks in PyTorch, as a peer for `korr bench train` and `korr bench control`.

Reads requests from stdin, a line each, and answers every one with a line:

  train BATCH THREADS SECONDS   the median milliseconds of a training step
  control MODE SECONDS          the 50th and the 99th percentile, in microseconds, of a control step; eager or jit

Widths: observation 58, action 10, latent 256, two hidden layers of 256 in every network.
"""

import sys
import time

import torch
from torch import nn

OBS, ACT, LATENT, HIDDEN = 58, 10, 256, 256


def net(inputs, outputs, bias):
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs, bias=bias)
    )


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.lift, self.actor, self.critic = net(OBS, LATENT, False), net(LATENT, ACT, False), net(OBS + ACT, 1, True)
        self.a = nn.Parameter(torch.eye(LATENT))
        self.b = nn.Parameter(0.1 * torch.randn(LATENT, ACT))

    def predict(self, obs, u):
        return self.lift(obs) @ self.a.t() + u @ self.b.t()

    def forward(self, x):
        return self.actor(self.predict(x[..., :OBS], x[..., OBS:]))


class Training:
    """Steps of PPO with the model's loss on one batch."""

    def __init__(self, n):
        self.policy = Policy()
        self.opt = torch.optim.AdamW(self.policy.parameters(), lr=3e-4, eps=1e-5, weight_decay=1e-6)
        self.x, self.following = torch.randn(n, OBS + ACT), torch.randn(n, OBS)
        self.executed, self.residual = torch.randn(n, ACT), torch.randn(n, ACT)
        self.log_prob, self.advantage, self.returns = torch.randn(n) - 5, torch.randn(n), torch.randn(n)

    def __call__(self):
        p = self.policy
        log_prob = torch.distributions.Normal(p(self.x), 0.36788).log_prob(self.residual).sum(1)
        ratio = (log_prob - self.log_prob).exp()
        adv = (self.advantage - self.advantage.mean()) / (self.advantage.std() + 1e-8)
        loss = torch.max(-adv * ratio, -adv * ratio.clamp(0.8, 1.2)).mean()
        loss = loss + 0.5 * ((p.critic(self.x).view(-1) - self.returns) ** 2).mean()
        loss = loss + ((p.predict(self.x[:, :OBS], self.executed) - p.lift(self.following)) ** 2).mean()
        self.opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(p.parameters(), 1.0)
        self.opt.step()


def times(run, seconds):
    taken, start = [], time.perf_counter()
    while len(taken) < 3 or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        run()
        taken.append(time.perf_counter() - t)
    return sorted(taken)


def main():
    torch.manual_seed(0)
    policy, x = Policy().eval(), torch.randn(1, OBS + ACT)
    steps = {"eager": policy, "jit": torch.jit.freeze(torch.jit.trace(policy, x))}
    trainings = {}
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "train":
            n = int(rest[0])
            torch.set_num_threads(int(rest[1]))
            if n not in trainings:
                trainings[n] = Training(n)
            trainings[n]()
            t = times(trainings[n], float(rest[2]))
            print(1e3 * t[len(t) // 2], flush=True)
        else:
            torch.set_num_threads(1)
            with torch.no_grad():
                step = steps[rest[0]]
                for _ in range(50):
                    step(x)
                t = times(lambda: step(x), float(rest[1]))
            print(1e6 * t[len(t) // 2], 1e6 * t[len(t) * 99 // 100], flush=True)


main()
