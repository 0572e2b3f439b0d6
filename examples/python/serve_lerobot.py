"""Serves a LeRobot policy of the state (ACT, diffusion, ..) to korr: python3 serve_lerobot.py PATH --port 8000

The policy was trained on a dataset that korr collect wrote: observation.state, observation.environment_state, action.
"""

import argparse

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

from policy_server import serve

parser = argparse.ArgumentParser()
parser.add_argument("path", help="folder or hub name of the trained policy")
parser.add_argument("--port", type=int, default=8000)
args = parser.parse_args()

config = PreTrainedConfig.from_pretrained(args.path)
policy = get_policy_class(config.type).from_pretrained(args.path).eval()
before, after = make_pre_post_processors(config, pretrained_path=args.path)


def infer(observation):
    keys = ("observation.state", "observation.environment_state")
    batch = before({k: torch.from_numpy(np.array(observation[k]))[None] for k in keys})
    policy.reset()
    with torch.inference_mode():
        return {"actions": after(policy.predict_action_chunk(batch))[0].cpu().numpy()}


serve(infer, {}, port=args.port)
