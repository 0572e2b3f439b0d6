"""korr's furniture-assembly simulator as Gymnasium environments.

Start a server, then make environments; docs/simulator-protocol.md describes what is spoken:

    korr sim serve --listen unix:/tmp/korr.sock --task one_leg

    env = KorrEnv("unix:/tmp/korr.sock")
    obs, info = env.reset(seed=1)
    obs, reward, terminated, truncated, info = env.step(env.action_space.sample())

Needs numpy. With gymnasium installed KorrEnv is a gymnasium.Env and KorrVectorEnv a gymnasium.vector.VectorEnv; without it
they have the same methods on stand-ins of their own (HAVE_GYMNASIUM says which).
"""

import json
import socket
import struct

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
_HELLO, _RESET, _STEP, _CLOSE, _REPLY, _ERROR = 0x01, 0x02, 0x03, 0x04, 0x80, 0xFF
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
    """

    metadata = {"render_modes": []}

    def __init__(self, address="tcp:127.0.0.1:5555", render_mode=None, timeout=60.0):
        if render_mode is not None:
            raise ValueError("the server draws nothing: render_mode must be None (korr sim --render draws episodes)")
        self.render_mode = None
        self.link = Connection(address, 1, timeout)
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
        return None

    def close(self):
        self.link.close()


def _check(flags, note):
    if flags & _FAULT:
        raise KorrError(note.get("faults", {}).get("0", "the environment failed") + ": reset it to go on")


class KorrVectorEnv(_VectorBase):
    """num_envs environments of one connection, which the server steps on its cores.

    An environment whose episode ended is reset by the next step, which ignores its action, gives reward 0 and the first
    observation (Gymnasium's AutoresetMode.NEXT_STEP). One that failed counts as truncated, with its message in
    infos["fault"]. reset(seed=s) starts episodes s, s + 1, ...; a list gives every episode its seed.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP if AutoresetMode else "NextStep"}

    def __init__(self, address="tcp:127.0.0.1:5555", num_envs=0, timeout=60.0):
        self.render_mode = None
        self.link = Connection(address, num_envs, timeout)
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
        return obs, {"episode_seed": seeds, **({"domain": note["domain"]} if "domain" in note else {})}

    def step(self, actions):
        actions = np.asarray(actions, np.float32)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions of shape {actions.shape}, want {self.action_space.shape}")
        again, infos = self._ended.copy(), {}
        rewards, flags, obs, note = self.link.step(~again, actions)
        if again.any():
            fresh, first, more = self.link.reset(again, self._draw(self.num_envs))
            flags[again], obs[again] = fresh[again], first[again]
            note = {k: {**note.get(k, {}), **more.get(k, {})} for k in {*note, *more}}
        fault = (flags & _FAULT) != 0
        terminated = (flags & _TERMINATED) != 0
        truncated = ((flags & _TRUNCATED) != 0) | fault
        self._ended = terminated | truncated
        infos["is_success"] = (flags & _SUCCESS) != 0
        if fault.any():
            infos["fault"] = {int(i): text for i, text in note.get("faults", {}).items()}
        if "domain" in note:
            infos["domain"] = note["domain"]
        return obs, rewards.astype(np.float64), terminated, truncated, infos

    def _draw(self, n):
        return self.np_random.integers(1 << 63, size=n).astype(np.uint64)

    def close(self, **_):
        if hasattr(self, "link"):  # __init__ may have failed
            self.link.close()


def register():
    """Registers korr/Furniture-v0, for gymnasium.make("korr/Furniture-v0", address="unix:/tmp/korr.sock")."""
    if not HAVE_GYMNASIUM:
        raise ImportError("pip install gymnasium, then register() and gymnasium.make work; KorrEnv(address) works without it")
    gymnasium.register("korr/Furniture-v0", entry_point=f"{__name__}:KorrEnv")
