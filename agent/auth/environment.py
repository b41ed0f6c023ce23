"""Takes the API key out of the environment: children inherit it, and other processes of the same user can read it."""

from __future__ import annotations

import os

from agent.outside.text import learn, learn_address

VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")

_taken: dict[str, str] = {}


def take() -> None:
    """Move the keys from the environment to the memory of this process, and learn the passwords of proxies.

    The strings with which the kernel started the process are overwritten: ``/proc/PID/environ`` shows them otherwise,
    whatever becomes of the environment. Call it once, before there is any thread or child.
    """
    _taken.clear()
    for name in VARIABLES:
        if value := os.environ.get(name):
            learn(value.strip())
            _taken[name] = value
            _overwrite(name)
            del os.environ[name]
    for name, value in os.environ.items():
        if name.lower().endswith("_proxy"):
            learn_address(value)


def variable(name: str) -> str:
    """Return the key that is or was in the environment under ``name``, '' if there is none."""
    return (os.environ.get(name) or _taken.get(name, "")).strip()


def _overwrite(name: str) -> None:
    """Overwrite a variable's value where the C library finds it, which is where the kernel put it at the start."""
    import ctypes  # noqa: PLC0415 - needed only if a key is in the environment

    getenv = ctypes.CDLL(None).getenv
    getenv.restype, getenv.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    address = getenv(name.encode())
    if address:
        ctypes.memset(address, 0, len(ctypes.string_at(address)))
