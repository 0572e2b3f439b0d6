"""Steps a batch of environments with random motion around where the arm is, and prints environment steps per second.

    korr sim serve --listen unix:/tmp/korr.sock --action-form delta-axis-angle
    python3 examples/python/vector_loop.py unix:/tmp/korr.sock --envs 8 --steps 200
"""

import argparse
import json
import time

import numpy as np

from korr_gym import KorrVectorEnv


def still(link, obs):
    """Actions that keep every arm where its observation says it is, and the hand open; [n, act_dim]."""
    form, act = link.about["form"], np.zeros((link.n, link.act_dim), np.float32)
    act[:, -1] = -1
    if form.startswith("delta-"):
        if form.endswith("6d"):
            act[:, [3, 7]] = 1
        elif form.endswith("quat"):
            act[:, 6] = 1
        return act
    if form != "6d":
        raise SystemExit(f"this example moves around the observed pose: serve --action-form 6d or a delta form, not {form}")
    act[:, :9] = obs[:, :9]
    return act


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", default="tcp:127.0.0.1:5555")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=200, help="control steps of every environment")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    env = KorrVectorEnv(args.address, args.envs)
    try:
        obs, _ = env.reset(seed=args.seed)
        rewards, episodes = 0.0, 0
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in range(args.steps):
            act = still(env.link, obs)
            act[:, :3] += rng.normal(0, 0.005, (args.envs, 3)).astype(np.float32)
            obs, reward, terminated, truncated, _ = env.step(act)
            rewards += reward.sum()
            episodes += int((terminated | truncated).sum())
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    finally:
        env.close()
    steps = args.envs * args.steps
    result = {
        "envs": args.envs,
        "steps": steps,
        "seconds": round(took, 3),
        "steps_per_second": round(steps / took, 1),
        "client_cpu_us_per_step": round(1e6 * cpu / steps, 1),
        "episodes": episodes,
        "rewards": rewards,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
