"""The registry of methods."""

from oversight_gym.agents.methods.method import Method
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.registry import Registry


class _Methods(Registry[Method]):
    """Checks what other packages offer, when it is asked for."""

    def __getitem__(self, name: str) -> Method:
        method = super().__getitem__(name)
        if name in self._entries:
            return method
        try:
            if not isinstance(method, Method) or method.name != name:
                raise RequestError(f"it is {method!r}")
            method.check()
        except RequestError as error:
            plugin = self._elsewhere[name].value
            said = str(error).rstrip(".")
            raise RequestError(
                f"the plug-in {plugin!r} is no method {name!r} ({said}); mend it or leave it out."
            ) from None
        return method


METHODS: Registry[Method] = _Methods("method", "oversight_gym.methods")
"""Every method by name: the built-in ones, those that were registered, and those of other packages by entry points."""


def register(method: Method) -> Method:
    """Add a method to ``METHODS``, so that the command line, sweeps and tables know it.

    Call it before a run is configured. So that worker processes of a sweep know the method, too, make it an entry point
    of your package instead, in the group ``oversight_gym.methods`` (see docs/methods.md), under its own name.

    Raises:
        RequestError: if the name is taken, or what the method names does not exist.
    """
    if method.name not in METHODS:
        method.check()
    return METHODS.register(method.name, method)
