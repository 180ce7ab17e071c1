"""The registry of methods."""

from importlib.metadata import entry_points

from oversight_gym.agents.methods.method import Method
from oversight_gym.envs.errors import RequestError

GROUP = "oversight_gym.methods"
"""Entry-point group: each entry point is a ``Method``."""

METHODS: dict[str, Method] = {}
"""Every method by name."""


def register(method: Method) -> Method:
    """Add a method to ``METHODS``, so that the command line, sweeps and tables know it.

    Call it before a run is configured. So that worker processes of a sweep know the method, too, make it an entry point
    of your package instead, in the group ``oversight_gym.methods`` (see docs/methods.md).

    Raises:
        RequestError: if the name is taken, or what the method names does not exist.
    """
    if method.name in METHODS:
        raise RequestError(f"there is a method {method.name!r} already; give yours another name.")
    method.check()
    METHODS[method.name] = method
    return method


def load_entry_points() -> None:
    for entry in entry_points(group=GROUP):
        register(entry.load())
