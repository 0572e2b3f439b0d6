"""korr's furniture-assembly simulator as Gymnasium environments.

    pip install ./examples/python          # and the command korr on the PATH, or its path in the variable KORR

    env = gymnasium.make("korr/OneLeg-v0", render_mode="rgb_array")
    obs, info = env.reset(seed=1)
    obs, reward, terminated, truncated, info = env.step(env.action_space.sample())

An environment without an address starts a simulator of its own and ends it when it is closed. With one it is a client of a
server that is there, which other processes may share; docs/simulator-protocol.md describes what is spoken:

    korr sim serve --listen unix:/tmp/korr.sock --task one_leg

    env = KorrEnv("unix:/tmp/korr.sock")

Needs numpy. With gymnasium installed KorrEnv is a gymnasium.Env and KorrVectorEnv a gymnasium.vector.VectorEnv; without it
they have the same methods on stand-ins of their own (HAVE_GYMNASIUM says which).
"""

import atexit
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile

import numpy as np

try:
    import gymnasium
    from gymnasium.spaces import Box
    from gymnasium.vector import VectorEnv as _VectorBase
    from gymnasium.vector.utils import batch_space

    try:
        from gymnasium.vector import AutoresetMode
    except ImportError:  # before 1.1
        AutoresetMode = None
    _EnvBase = gymnasium.Env
    HAVE_GYMNASIUM = True
except ImportError:
    HAVE_GYMNASIUM = False
    AutoresetMode = None

    class Box:
        """A box of float32 numbers: the part of gymnasium.spaces.Box that is needed here."""

        def __init__(self, low, high, shape=None, dtype=np.float32):
            self.dtype = np.dtype(dtype)
            self.low = np.full(shape, low, self.dtype) if shape is not None else np.asarray(low, self.dtype)
            self.high = np.full(shape, high, self.dtype) if shape is not None else np.asarray(high, self.dtype)
            self.shape = self.low.shape
            self.seed()

        def seed(self, seed=None):
            self._rng = np.random.default_rng(seed)

        def sample(self):
            if not (np.isfinite(self.low).all() and np.isfinite(self.high).all()):
                return self._rng.standard_normal(self.shape).astype(self.dtype)
            return self._rng.uniform(self.low, self.high, self.shape).astype(self.dtype)

        def contains(self, x):
            return (
                isinstance(x, np.ndarray)
                and x.shape == self.shape
                and np.can_cast(x.dtype, self.dtype)
                and bool(np.all(x >= self.low) and np.all(x <= self.high))
            )

        __contains__ = contains

        def __repr__(self):
            return f"Box({self.low.min()}, {self.high.max()}, {self.shape}, {self.dtype})"

    class _EnvBase:
        """Seeding and attributes as gymnasium.Env has them."""

        metadata = {"render_modes": []}
        render_mode = None
        spec = None
        _np_random = None
        _np_random_seed = None

        @property
        def unwrapped(self):
            return self

        @property
        def np_random(self):
            if self._np_random is None:
                self._seed(None)
            return self._np_random

        @np_random.setter
        def np_random(self, value):
            self._np_random = value
            self._np_random_seed = -1

        def _seed(self, seed):
            sequence = np.random.SeedSequence(seed)
            self._np_random_seed = sequence.entropy
            self._np_random = np.random.Generator(np.random.PCG64(sequence))

        def reset(self, *, seed=None, options=None):
            if seed is not None:
                self._seed(seed)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

    _VectorBase = _EnvBase

    def batch_space(space, n):
        return Box(np.tile(space.low, (n, 1)), np.tile(space.high, (n, 1)), dtype=space.dtype)


VERSION = 1
_HELLO, _RESET, _STEP, _CLOSE, _DRAW, _REPLY, _ERROR = 0x01, 0x02, 0x03, 0x04, 0x05, 0x80, 0xFF
_TERMINATED, _TRUNCATED, _SUCCESS, _FAULT = 1, 2, 4, 0xF0


class KorrError(RuntimeError):
    """The server refused something, or an environment failed. code is that of the error frame, None for an environment."""

    def __init__(self, text, code=None):
        super().__init__(text if code is None else f"{text} (code {code})")
        self.code = code


class Connection:
    """One connection to a server and its n environments, without any library's conventions."""

    def __init__(self, address, envs=0, timeout=60.0):
        self._sock = _connect(address, timeout)
        self._buf = bytearray(1 << 16)
        try:
            body = self._ask(_HELLO, b"KORR" + struct.pack("<HH", VERSION, envs))
            version, self.n, self.obs_dim, self.act_dim, self.max_steps, self.control_hz = struct.unpack_from("<HHIIIf", body)
            at = struct.calcsize("<HHIIIf")
            bounds = np.frombuffer(body, "<f4", 2 * self.act_dim, at).reshape(2, -1).astype(np.float32)
            self.low, self.high = bounds
            self.about = _note(body, at + 8 * self.act_dim)  # task, parts, form, fingerprint
        except BaseException:
            self._sock.close()
            raise

    def reset(self, active, seeds):
        """Starts the episodes of seeds (uint64) where active. Returns flags [n], observations [n, obs_dim], note."""
        body = self._ask(_RESET, np.asarray(active, np.uint8).tobytes(), np.asarray(seeds, "<u8").tobytes())
        return self._results(body, 0)

    def step(self, active, actions):
        """One control step where active. Returns rewards [n], flags [n], observations [n, obs_dim], note."""
        body = self._ask(_STEP, np.asarray(active, np.uint8).tobytes(), np.ascontiguousarray(actions, "<f4").tobytes())
        rewards = np.frombuffer(body, "<f4", self.n)
        return (rewards.copy(), *self._results(body, 4 * self.n))

    def draw(self, env=0):
        """A picture of an environment at its present state, [height, width, 3], uint8."""
        body = self._ask(_DRAW, struct.pack("<H", env))
        width, height = struct.unpack_from("<II", body)
        return np.frombuffer(body, np.uint8, 3 * width * height, 8).reshape(height, width, 3).copy()

    def close(self):
        """Tells the server and closes the socket; calling it again is harmless."""
        if self._sock is None:
            return
        try:
            self._ask(_CLOSE)
        except (OSError, KorrError):
            pass  # a server that is gone has closed already
        finally:
            self._sock.close()
            self._sock = None

    def _results(self, body, at):
        flags = np.frombuffer(body, np.uint8, self.n, at).copy()
        at += self.n
        size = self.n * self.obs_dim
        obs = np.frombuffer(body, "<f4", size, at).reshape(self.n, self.obs_dim).astype(np.float32)
        return flags, obs, _note(body, at + 4 * size)

    def _ask(self, kind, *parts):
        if self._sock is None:
            raise KorrError("the environment is closed")
        payload = b"".join(parts)
        try:
            self._sock.sendall(struct.pack("<IB", len(payload) + 1, kind) + payload)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may have said why before it closed
        length, got = struct.unpack("<IB", self._read(5))
        body = self._read(length - 1)
        if got == _ERROR:
            (code,) = struct.unpack_from("<H", body)
            size = struct.unpack_from("<I", body, 2)[0]
            raise KorrError(bytes(body[6 : 6 + size]).decode("utf-8", "replace"), code)
        if got != kind | _REPLY:
            raise KorrError(f"reply of kind {got:#x} to a request of kind {kind:#x}")
        return body

    def _read(self, size):
        if size > len(self._buf):
            self._buf = bytearray(size)
        view = memoryview(self._buf)[:size]
        at = 0
        while at < size:
            n = self._sock.recv_into(view[at:])
            if n == 0:
                raise KorrError("the server closed the connection")
            at += n
        return view


class Simulator:
    """A process of `korr sim serve` for one task: address is where it listens. settings are more of its arguments."""

    def __init__(self, task, settings=()):
        command = os.environ.get("KORR") or shutil.which("korr")
        if not command:
            raise FileNotFoundError("the command korr is not on the PATH (make install puts it there), nor in the variable KORR")
        self._folder = tempfile.mkdtemp(prefix="korr-gym-")
        listen = "unix:" + os.path.join(self._folder, "sock")
        arguments = [command, "sim", "serve", "--quiet", "--listen", listen, "--task", task, *settings]
        try:
            # In a group of its own, with no input of ours: Ctrl-C in a session ends what runs there, not the simulator.
            with open(os.path.join(self._folder, "log"), "w+") as log:
                self._process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
                )
                self.address = self._process.stdout.readline().strip()  # once it listens
                log.seek(0)
                said = log.read().strip()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        if not self.address:
            self.close()
            raise KorrError(f"{' '.join(arguments)} did not start: {said}")
        atexit.register(self.close)  # where nobody closes the environment

    def close(self):
        """Ends the process; calling it again is harmless."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()
        atexit.unregister(self.close)
        shutil.rmtree(self._folder, ignore_errors=True)


class _Link:
    """A connection, and the simulator behind it where that was started for it."""

    def __init__(self, address, task, settings, envs, timeout):
        self._simulator = None
        if address is None:
            self._simulator = Simulator(task, settings)
            address = self._simulator.address
        elif settings:
            raise ValueError("settings are those of a simulator that is started here: leave address out")
        try:
            self.link = Connection(address, envs, timeout)
        except BaseException:
            self._end()
            raise

    def _end(self):
        if self._simulator is not None:
            self._simulator.close()

    def close(self):
        try:
            self.link.close()
        finally:
            self._end()


def _mode(render_mode):
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f'render_mode {render_mode!r}: use None or "rgb_array"')
    return render_mode


def _connect(address, timeout):
    network, _, at = address.partition(":")
    if network == "unix" and at:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(at)
        except OSError:
            sock.close()
            raise
        return sock
    host, _, port = at.rpartition(":")
    if network == "tcp" and port.isdigit():
        sock = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise ValueError(f"address {address!r}: use unix:/path/of/socket or tcp:host:port")


def _note(body, at):
    (size,) = struct.unpack_from("<I", body, at)
    return json.loads(bytes(body[at + 4 : at + 4 + size])) if size else {}


def _spaces(link):
    observation = Box(-np.inf, np.inf, shape=(link.obs_dim,), dtype=np.float32)
    return observation, Box(link.low, link.high, dtype=np.float32)


class KorrEnv(_EnvBase):
    """One environment of a server.

    reset(seed=s) starts the simulator's episode s, the same one as `Env.Reset(obs, s)` in Go; without a seed the episode is
    drawn from np_random. info has is_success, and after a reset the episode's seed and, with domain randomisation, what was
    drawn. An action that is not finite, or physics that became unstable, raise KorrError and end the episode.

    address is a server's; without one a simulator of the task is started, with settings as further arguments of
    `korr sim serve` (["--randomness", "med", "--action-form", "delta-quat"]). render_mode "rgb_array" has render() draw.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, address=None, render_mode=None, timeout=60.0, task="one_leg", settings=()):
        self.render_mode = _mode(render_mode)
        self._owner = _Link(address, task, settings, 1, timeout)
        self.link = self._owner.link
        self.observation_space, self.action_space = _spaces(self.link)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if options:
            raise ValueError(f"reset takes no options, got {sorted(options)}")
        episode = int(self.np_random.integers(1 << 63)) if seed is None else int(seed)
        flags, obs, note = self.link.reset([1], [episode])
        _check(flags[0], note)
        info = {"is_success": False, "episode_seed": episode}
        if "domain" in note:
            info["domain"] = note["domain"]["0"]
        return obs[0], info

    def step(self, action):
        action = np.asarray(action, np.float32)
        if action.shape != self.action_space.shape:
            raise ValueError(f"action of shape {action.shape}, want {self.action_space.shape}")
        rewards, flags, obs, note = self.link.step([1], action)
        f = int(flags[0])
        _check(f, note)
        return obs[0], float(rewards[0]), bool(f & _TERMINATED), bool(f & _TRUNCATED), {"is_success": bool(f & _SUCCESS)}

    def render(self):
        """The present state as a picture, [height, width, 3], uint8; None unless render_mode is "rgb_array"."""
        return self.link.draw() if self.render_mode == "rgb_array" else None

    def close(self):
        if hasattr(self, "_owner"):  # __init__ may have failed
            self._owner.close()


def _check(flags, note):
    if flags & _FAULT:
        raise KorrError(note.get("faults", {}).get("0", "the environment failed") + ": reset it to go on")


class KorrVectorEnv(_VectorBase):
    """num_envs environments of one connection, which the server steps on its cores.

    An environment whose episode ended is reset by the next step, which ignores its action, gives reward 0 and the first
    observation (Gymnasium's AutoresetMode.NEXT_STEP). One that failed counts as truncated, with its message in
    infos["fault"]. reset(seed=s) starts episodes s, s + 1, ...; a list gives every episode its seed. infos are laid out as
    Gymnasium's vector environments do: arrays of num_envs, and beside every NAME the mask _NAME of the environments that it
    tells of. address, task and settings are those of KorrEnv; render() draws all environments.
    """

    metadata = {
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP if AutoresetMode else "NextStep",
    }

    def __init__(self, address=None, num_envs=0, timeout=60.0, task="one_leg", settings=(), render_mode=None):
        self.render_mode = _mode(render_mode)
        self._owner = _Link(address, task, settings, num_envs, timeout)
        self.link = self._owner.link
        self.num_envs = self.link.n
        self.single_observation_space, self.single_action_space = _spaces(self.link)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._ended = np.zeros(self.num_envs, bool)

    def reset(self, *, seed=None, options=None):
        one = None if seed is None or isinstance(seed, (list, tuple, np.ndarray)) else int(seed)
        super().reset(seed=one)
        if options:
            raise ValueError(f"reset takes no options, got {sorted(options)}")
        if seed is None:
            seeds = self._draw(self.num_envs)
        elif one is not None:
            seeds = np.arange(one, one + self.num_envs, dtype=np.uint64)
        else:
            seeds = np.array([self._draw(1)[0] if s is None else s for s in seed], np.uint64)
        flags, obs, note = self.link.reset(np.ones(self.num_envs, bool), seeds)
        if (flags & _FAULT).any():
            raise KorrError(f"environments failed to reset: {note.get('faults')}")
        self._ended[:] = False
        infos = self._everywhere(episode_seed=seeds)
        _tell(infos, "domain", note.get("domain", {}), self.num_envs)
        return obs, infos

    def step(self, actions):
        actions = np.asarray(actions, np.float32)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions of shape {actions.shape}, want {self.action_space.shape}")
        again = self._ended.copy()
        rewards, flags, obs, note = self.link.step(~again, actions)
        if again.any():
            fresh, first, more = self.link.reset(again, self._draw(self.num_envs))
            flags[again], obs[again] = fresh[again], first[again]
            note = {k: {**note.get(k, {}), **more.get(k, {})} for k in {*note, *more}}
        fault = (flags & _FAULT) != 0
        terminated = (flags & _TERMINATED) != 0
        truncated = ((flags & _TRUNCATED) != 0) | fault
        self._ended = terminated | truncated
        infos = self._everywhere(is_success=(flags & _SUCCESS) != 0)
        for name, of in (("fault", "faults"), ("domain", "domain")):
            _tell(infos, name, note.get(of, {}), self.num_envs)
        return obs, rewards.astype(np.float64), terminated, truncated, infos

    def _everywhere(self, **values):
        """Infos that every environment has."""
        return {**values, **{"_" + name: np.ones(self.num_envs, bool) for name in values}}

    def render(self):
        """The present states as pictures, a tuple of num_envs; None unless render_mode is "rgb_array"."""
        if self.render_mode != "rgb_array":
            return None
        return tuple(self.link.draw(i) for i in range(self.num_envs))

    def _draw(self, n):
        return self.np_random.integers(1 << 63, size=n).astype(np.uint64)

    def close(self, **_):
        if hasattr(self, "_owner"):  # __init__ may have failed
            self._owner.close()


def _tell(infos, name, values, n):
    """Adds to infos what some of n environments say, by their numbers as text; nothing when none does."""
    if not values:
        return
    mask = infos["_" + name] = np.zeros(n, bool)
    mask[[int(i) for i in values]] = True
    one = next(iter(values.values()))
    if isinstance(one, dict):
        infos[name] = {}
        for key in one:
            _tell(infos[name], key, {i: v[key] for i, v in values.items()}, n)
        return
    one = np.asarray(one)
    if one.dtype.kind in "iuf":  # JSON writes 1.0 as 1
        infos[name] = np.zeros((n, *one.shape))
    elif one.dtype.kind == "b":
        infos[name] = np.zeros((n, *one.shape), bool)
    else:
        infos[name] = np.full(n, None, object)
    for i, v in values.items():
        infos[name][int(i)] = v


if HAVE_GYMNASIUM:
    import korr_gym_envs

    korr_gym_envs.register()
