"""The registry of methods."""

from oversight_gym.agents.methods.method import Method
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.registry import Registry


class _Methods(Registry[Method]):
    """A registry that checks the methods of other packages when they are first used."""

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
    """Add a method to ``METHODS``, so that the command line, sweeps and tables can use it.

    Call it before a run is configured. If worker processes of a sweep must know the method as well, make it an entry
    point of your package instead, in the group ``oversight_gym.methods`` and under its own name (see docs/methods.md).

    Raises:
        RequestError: if the name is taken, or the method names something that does not exist.
    """
    if method.name not in METHODS:
        method.check()
    return METHODS.register(method.name, method)
