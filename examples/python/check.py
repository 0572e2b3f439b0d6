"""Checks that KorrEnv keeps Gymnasium's interface, against a running server.

    korr sim serve --listen unix:/tmp/korr.sock
    python3 examples/python/check.py unix:/tmp/korr.sock

Runs what gymnasium.utils.env_checker.check_env documents, and, where gymnasium is installed, check_env itself. Exits with 1 at
the first thing that is wrong.
"""

import copy
import inspect
import sys

import numpy as np

import korr_gym
from korr_gym import KorrEnv, KorrError, KorrVectorEnv


def check_space(space, shape):
    assert isinstance(space, korr_gym.Box), f"a {type(space)} is no Box"
    assert space.shape == shape == space.low.shape == space.high.shape, f"{space} has another shape than {shape}"
    assert space.dtype == np.float32
    assert (space.low < space.high).all(), "a bound is not below the other"


def check_spaces(env):
    check_space(env.action_space, (env.link.act_dim,))
    check_space(env.observation_space, (env.link.obs_dim,))
    env.action_space.seed(3)
    first = [env.action_space.sample() for _ in range(20)]
    env.action_space.seed(3)
    for a in first:
        assert a in env.action_space and a.dtype == np.float32
        assert np.array_equal(a, env.action_space.sample()), "a seeded space sampled differently"


def check_obs(env, obs):
    assert isinstance(obs, np.ndarray), f"an observation is a {type(obs)}"
    assert obs.dtype == env.observation_space.dtype and obs.shape == env.observation_space.shape, f"{obs.dtype} {obs.shape}"
    assert np.isfinite(obs).all()
    assert obs in env.observation_space


def check_reset(env):
    parameters = inspect.signature(env.reset).parameters
    assert parameters["seed"].default is None and "options" in parameters and "return_info" not in parameters
    assert not callable(getattr(env, "seed", None)), "reset(seed=...) has replaced seed()"
    result = env.reset()
    assert isinstance(result, tuple) and len(result) == 2
    check_obs(env, result[0])
    assert isinstance(result[1], dict)

    one, _ = env.reset(seed=123)
    check_obs(env, one)
    assert env.unwrapped._np_random is not None, "reset(seed=...) left np_random unseeded"
    rng = copy.deepcopy(env.unwrapped._np_random)
    two, _ = env.reset(seed=123)
    assert np.array_equal(one, two), "one seed, two observations"
    assert env.unwrapped._np_random.bit_generator.state == rng.bit_generator.state
    three, _ = env.reset(seed=456)
    assert env.unwrapped._np_random.bit_generator.state != rng.bit_generator.state
    assert not np.array_equal(one, three), "two seeds, one observation"

    env.reset(seed=9)
    a = [env.reset()[0] for _ in range(2)]
    env.reset(seed=9)
    b = [env.reset()[0] for _ in range(2)]
    assert np.array_equal(a, b) and not np.array_equal(a[0], a[1]), "episodes without a seed must follow from np_random"
    env.reset(options={})
    env.reset(seed=1, options=None)


def check_step(env):
    env.reset(seed=5)
    result = env.step(env.action_space.sample())
    assert isinstance(result, tuple) and len(result) == 5
    obs, reward, terminated, truncated, info = result
    check_obs(env, obs)
    assert isinstance(terminated, (bool, np.bool_)) and isinstance(truncated, (bool, np.bool_))
    assert isinstance(reward, float) and np.isfinite(reward)
    assert isinstance(info, dict) and info["is_success"] is False
    kept = obs.copy()
    env.step(env.action_space.sample())
    assert np.array_equal(obs, kept), "an observation that was returned changed later"


def rollout(env, seed, steps):
    env.action_space.seed(seed)
    seen = [env.reset(seed=seed)[0]]
    for _ in range(steps):
        obs, _, terminated, truncated, _ = env.step(env.action_space.sample())
        check_obs(env, obs)
        seen.append(obs)
        if terminated or truncated:
            break
    return np.array(seen)


def check_determinism(env, other):
    first = rollout(env, 11, 40)
    assert np.array_equal(first, rollout(env, 11, 40)), "the same episode differs in the same environment"
    rollout(other, 12, 10)
    assert np.array_equal(first, rollout(other, 11, 40)), "the same episode differs over another connection"


def check_refusals(env):
    for bad in (np.full(env.action_space.shape, np.nan, np.float32), np.full(env.action_space.shape, np.inf, np.float32)):
        env.reset(seed=1)
        expect(KorrError, env.step, bad)
        expect(KorrError, env.step, env.action_space.sample())
    env.reset(seed=1)
    expect(ValueError, env.step, np.zeros(3, np.float32))
    expect(ValueError, env.reset, options={"colour": "red"})
    env.reset(seed=1)
    env.step(env.action_space.sample())


def expect(kind, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except kind:
        return
    raise AssertionError(f"{call.__name__}{args}{kwargs} did not raise {kind.__name__}")


def check_attributes(env):
    assert env.metadata["render_modes"] == ["rgb_array"] and env.render_mode is None and env.render() is None
    expect(ValueError, KorrEnv, "tcp:127.0.0.1:1", render_mode="human")
    assert env.unwrapped is env
    if korr_gym.HAVE_GYMNASIUM:
        import gymnasium

        assert isinstance(env, gymnasium.Env)


def check_infos(infos, n):
    """Strings name arrays of n, or dictionaries of such; _NAME is the mask of the environments that NAME tells of."""
    for key, value in infos.items():
        assert isinstance(key, str), f"key {key!r} is no string"
        if isinstance(value, dict):
            check_infos(value, n)
        else:
            assert isinstance(value, np.ndarray) and len(value) == n, f"{key}: {value!r} is no array of {n}"
        if key.startswith("_"):
            assert value.dtype == bool, f"{key} is no mask"
        else:
            assert "_" + key in infos, f"{key} has no mask"


def check_layout():
    """What some environments say is told with masks, nested as they nest it."""
    infos = {}
    korr_gym._tell(infos, "domain", {"1": {"gain": 1, "mass": [1, 2.0]}, "2": {"gain": 0.25, "mass": [3.0, 4.0]}}, 3)
    korr_gym._tell(infos, "fault", {"0": "fell"}, 3)
    korr_gym._tell(infos, "nothing", {}, 3)
    check_infos(infos, 3)
    assert sorted(infos) == ["_domain", "_fault", "domain", "fault"]
    assert list(infos["_domain"]) == [False, True, True] and list(infos["domain"]["gain"]) == [0, 1, 0.25]
    assert infos["domain"]["mass"].shape == (3, 2) and infos["domain"]["mass"][2, 1] == 4
    if korr_gym.HAVE_GYMNASIUM:
        from gymnasium.wrappers.vector import DictInfoToList

        wrapper = DictInfoToList.__new__(DictInfoToList)
        wrapper.env = type("Three", (), {"num_envs": 3})()
        listed = wrapper._convert_info_to_list(infos)
        assert listed[0] == {"fault": "fell"} and listed[1]["domain"]["gain"] == 1


def check_drawing(address):
    env = KorrEnv(address, render_mode="rgb_array")
    try:
        env.reset(seed=1)
        try:
            image = env.render()
        except KorrError as e:
            assert "draws nothing" in str(e), e  # a server that was made without a renderer
            return
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.std() > 5, image.shape
        env.step(env.action_space.sample())
        assert not np.array_equal(image, env.render()), "the picture does not change"
    finally:
        env.close()


def check_vector(address):
    n = 3
    env, single = KorrVectorEnv(address, n), KorrEnv(address)
    try:
        obs, infos = env.reset(seed=20)
        check_infos(infos, n)
        assert obs.shape == (n, env.link.obs_dim) and obs.dtype == np.float32 and list(infos["episode_seed"]) == [20, 21, 22]
        assert np.array_equal(obs[1], single.reset(seed=21)[0]), "environment 1 differs from a single one with its seed"
        env.single_action_space.seed(4)
        for _ in range(5):
            act = np.array([env.single_action_space.sample() for _ in range(n)])
            obs, rewards, terminated, truncated, infos = env.step(act)
            assert np.array_equal(obs[1], single.step(act[1])[0])
            assert rewards.shape == terminated.shape == truncated.shape == infos["is_success"].shape == (n,)
            assert terminated.dtype == truncated.dtype == bool
        act[0] = np.nan  # one fails; the next step resets it, and the others go on
        obs, _, _, truncated, infos = env.step(act)
        assert list(truncated) == [True, False, False] and list(infos["_fault"]) == [True, False, False], (truncated, infos)
        assert isinstance(infos["fault"][0], str) and infos["fault"][1] is None
        check_infos(infos, n)
        act[0] = env.single_action_space.sample()
        obs, rewards, _, truncated, infos = env.step(act)
        assert not truncated.any() and rewards[0] == 0 and "fault" not in infos
        obs, _, _, truncated, _ = env.step(act)
        assert not truncated.any() and np.isfinite(obs).all()
    finally:
        env.close()
        single.close()


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "tcp:127.0.0.1:5555"
    env, other = KorrEnv(address), KorrEnv(address)
    check_attributes(env)
    check_spaces(env)
    check_reset(env)
    check_step(env)
    check_determinism(env, other)
    check_refusals(env)
    check_vector(address)
    check_layout()
    check_drawing(address)
    if korr_gym.HAVE_GYMNASIUM:
        from gymnasium.utils.env_checker import check_env

        check_env(env.unwrapped)
        import gymnasium

        made = gymnasium.make("korr/Furniture-v0", address=address)
        check_env(made.unwrapped)
        made.close()
        print("ok: gymnasium.utils.env_checker.check_env and the checks of this file")
    else:
        print("ok: the checks of this file; gymnasium is not installed, so check_env itself did not run")
    for e in (env, other):
        e.close()
        e.close()  # closing twice is allowed
    expect(KorrError, env.reset)


if __name__ == "__main__":
    main()
