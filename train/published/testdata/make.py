"""Writes checkpoints laid out like the published ones, tiny and of other sizes than the reference's, one folder for each
class of policy, and the actions that PyTorch computes from them. Run: python3 make.py (PyTorch 1.13; the files are not
bit-identical across versions)."""
import os

import torch
from torch import nn

torch.manual_seed(7)
HERE = os.path.dirname(os.path.abspath(__file__))
STATE, PARTS, ACT = 16, 21, 10
OBS = STATE + PARTS
DIMS, STEP, KERNEL, GROUPS, HORIZON = [8, 12], 6, 3, 4, 12
ITERS, STEPS, WARM = 60, 5, 50
N = 3


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.block = nn.Sequential(nn.Conv1d(i, o, KERNEL, padding=KERNEL // 2), nn.GroupNorm(GROUPS, o), nn.Mish())

    def forward(self, x):
        return self.block(x)


class Residual(nn.Module):
    def __init__(self, i, o, cond):
        super().__init__()
        self.blocks = nn.ModuleList([Block(i, o), Block(o, o)])
        self.cond_encoder = nn.Sequential(nn.Mish(), nn.Linear(cond, 2 * o))
        self.residual_conv = nn.Conv1d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x, cond):
        e = self.cond_encoder(cond)[..., None]
        scale, bias = e.chunk(2, dim=1)
        return self.blocks[1](scale * self.blocks[0](x) + bias) + self.residual_conv(x)


class Resample(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        cond = STEP + OBS
        pairs = list(zip([ACT] + DIMS[:-1], DIMS))
        self.mid_modules = nn.ModuleList([Residual(DIMS[-1], DIMS[-1], cond), Residual(DIMS[-1], DIMS[-1], cond)])
        self.diffusion_step_encoder = nn.Sequential(nn.Identity(), nn.Linear(STEP, 4 * STEP), nn.Mish(), nn.Linear(4 * STEP, STEP))
        self.up_modules, self.down_modules = nn.ModuleList(), nn.ModuleList()
        for i, (a, b) in enumerate(pairs):
            last = Resample(nn.Conv1d(b, b, 3, 2, 1)) if i < len(pairs) - 1 else nn.Identity()
            self.down_modules.append(nn.ModuleList([Residual(a, b, cond), Residual(b, b, cond), last]))
        for a, b in reversed(pairs[1:]):
            self.up_modules.append(nn.ModuleList([Residual(2 * b, a, cond), Residual(a, a, cond), Resample(nn.ConvTranspose1d(a, a, 4, 2, 1))]))
        self.final_conv = nn.Sequential(Block(DIMS[0], DIMS[0]), nn.Conv1d(DIMS[0], ACT, 1))

    def forward(self, x, k, obs):
        half = STEP // 2
        f = torch.exp(torch.arange(half) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
        w = k[:, None].float() * f[None]
        cond = torch.cat([self.diffusion_step_encoder(torch.cat([w.sin(), w.cos()], -1)), obs], -1)
        x, kept = x.transpose(1, 2), []
        for a, b, down in self.down_modules:
            x = b(a(x, cond), cond)
            kept.append(x)
            x = down(x)
        for m in self.mid_modules:
            x = m(x, cond)
        for a, b, up in self.up_modules:
            x = up(b(a(torch.cat([x, kept.pop()], 1), cond), cond))
        return self.final_conv(x).transpose(1, 2)


def mlp(i, o, bias=False, hidden=(14, 9)):
    layers = []
    for h in hidden:
        layers, i = layers + [nn.Linear(i, h), nn.ReLU()], h
    return nn.Sequential(*layers, nn.Linear(i, o, bias=bias))


class Koopman(nn.Module):
    def __init__(self, lift):
        super().__init__()
        self._g_affine = nn.Parameter(torch.eye(lift) + 0.1 * torch.randn(lift, lift))
        self._u_affine = nn.Parameter(torch.randn(lift, ACT))
        self._q_diag_log = nn.Parameter(torch.zeros(lift))
        self._r_diag_log = nn.Parameter(torch.zeros(ACT))


class KorrActor(nn.Module):
    def __init__(self, goal, lift=11):
        super().__init__()
        self.actor_logstd = nn.Parameter(-torch.ones(1, ACT))
        self.lift_transform, self.backbone = mlp(OBS, lift), Koopman(lift)
        self.inverse_dynamics = mlp(2 * lift if goal is not None else lift, ACT)
        self.goal = goal

    def forward(self, o, u):
        z = self.lift_transform(o) @ self.backbone._g_affine.T + u @ self.backbone._u_affine.T
        if self.goal is not None:
            z = torch.cat([z, self.lift_transform(self.goal).expand_as(z)], -1)
        return self.inverse_dynamics(z)


class KorrPolicy(nn.Module):
    def __init__(self, goal=None):
        super().__init__()
        self.actor = KorrActor(goal)
        self.critic = nn.Module()
        self.critic.backbone = mlp(OBS + ACT, 1, True)
        self.actor_logstd = self.actor.actor_logstd

    def forward(self, o, u):
        return self.actor(o, u)


class ResipPolicy(nn.Module):
    def __init__(self, dynamics=False):
        super().__init__()
        self.actor_dyn = mlp(OBS + ACT, OBS) if dynamics else None
        self.actor_mean = mlp(OBS if dynamics else OBS + ACT, ACT)
        self.critic = mlp(OBS + ACT, 1, True)
        self.actor_logstd = nn.Parameter(-torch.ones(1, ACT))

    def forward(self, o, u):
        x = torch.cat([o, u], -1)
        return self.actor_mean(self.actor_dyn(x) if self.actor_dyn is not None else x)


def stats():
    out = {}
    for name, width in (("robot_state", STATE), ("parts_poses", PARTS), ("action", ACT)):
        lo = -torch.rand(width) - 0.2
        out[f"normalizer.stats.{name}.max"], out[f"normalizer.stats.{name}.min"] = torch.rand(width) + 0.2, lo
    return out


def sample(net, obs, noise):
    t = torch.arange(ITERS + 1) / ITERS
    bar = torch.cos((t.double() + 0.008) / 1.008 * torch.pi / 2) ** 2
    betas = torch.clamp(1 - bar[1:] / bar[:-1], max=0.999).float()
    a = torch.cumprod(1 - betas, 0)
    x = (1 - a[WARM]) ** 0.5 * noise  # the last chunk counts as zeros
    steps = [i * (ITERS // STEPS) for i in range(STEPS)][::-1]
    for i, k in enumerate(steps):
        e = net(x, torch.full((N,), k), obs)
        clean = ((x - (1 - a[k]) ** 0.5 * e) / a[k] ** 0.5).clamp(-1, 1)
        b = a[steps[i + 1]] if i + 1 < STEPS else torch.tensor(1.0)
        x = b**0.5 * clean + (1 - b) ** 0.5 * e
    return x


def state16(s):
    x, y, z, w = (s[:, 3:7] / s[:, 3:7].norm(dim=-1, keepdim=True)).unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]
    return torch.cat([s[:, :3], torch.stack(rows, -1), s[:, 7:]], -1)


def write(path, tensors, meta):
    import json, struct

    head, at, data = {"__metadata__": meta}, 0, b""
    for k, v in tensors.items():
        b = v.detach().contiguous().float().numpy().tobytes()
        head[k] = {"dtype": "F32", "shape": list(v.shape), "data_offsets": [at, at + len(b)]}
        at, data = at + len(b), data + b
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


@torch.no_grad()
def make(name, policy, goal=None):
    net, st = UNet(), stats()
    for p in net.parameters():
        p.mul_(1.5)
    state, parts = torch.randn(N, 14) * 0.5, torch.randn(N, PARTS) * 0.5
    noise = torch.randn(N, HORIZON, ACT)

    def scaled(key, v):
        lo, hi = st[f"normalizer.stats.{key}.min"], st[f"normalizer.stats.{key}.max"]
        return 2 * (v - lo) / (hi - lo) - 1

    obs = torch.cat([scaled("robot_state", state16(state)), scaled("parts_poses", parts)], -1).clamp(-3, 3)
    chunk = sample(net, obs, noise)
    base = chunk[:, 0]
    residual = 0.2 * policy(obs, base) if policy is not None else torch.zeros_like(base)
    u = base + residual
    lo, hi = st["normalizer.stats.action.min"], st["normalizer.stats.action.max"]
    weights = {f"model.{k}": v for k, v in net.state_dict().items()}
    weights.update(st)
    actor = {
        "name": "residual_diffusion",
        "diffusion_model": {"name": "unet", "down_dims": DIMS, "diffusion_step_embed_dim": STEP, "kernel_size": KERNEL, "n_groups": GROUPS},
        "beta_schedule": "squaredcos_cap_v2", "prediction_type": "epsilon", "inference_steps": STEPS, "num_diffusion_iters": ITERS, "clip_sample": True,
    }
    if policy is not None:
        weights.update({f"residual_policy.{k}": v for k, v in policy.state_dict().items()})
        actor["residual_policy"] = {"action_scale": 0.2, "actor_activation": "ReLU"}
    config = {"actor": actor, "action_horizon": 4, "pred_horizon": HORIZON, "obs_horizon": 1, "env": {"task": "lamp"}, "control": {"control_mode": "pos", "act_rot_repr": "rot_6d"}}
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    torch.save({"model_state_dict": weights, "config": config, "iteration": 3}, os.path.join(folder, "published_layout_actor_chkpt.pt"))
    out = {"robot_state_14": state, "parts_poses": parts, "init_noise": noise, "normalised_obs": obs, "chunk": chunk, "base_action": base,
           "scaled_residual": residual, "normalised_action": u, "action": (u + 1) / 2 * (hi - lo) + lo}
    if goal is not None:
        out["goal_obs"] = goal
    write(os.path.join(folder, "published_layout_expected.safetensors"), out, {"ddim_steps": str(STEPS)})


goal = torch.randn(1, OBS).clamp(-3, 3)
make("base", None)
make("korr", KorrPolicy())
make("korr_goal", KorrPolicy(goal), goal)
make("resip", ResipPolicy())
make("resip_dynamics", ResipPolicy(True))
