"""Registries of named parts and methods, and the plug-ins that add to them."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.fields import field_types, typed_text

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name: those of this package, those that :meth:`register` added, and those of other packages.

    Another package offers an entry as an entry point of ``group``. The entry point is imported at its first use, so a
    package that cannot be imported affects nothing else.

    Args:
        what: the word for an entry in messages, for example ``"method"``.
        group: entry-point group.
    """

    def __init__(self, what: str, group: str) -> None:
        self.what, self.group = what, group
        self._entries: dict[str, Entry] = {}
        self._loaded: dict[str, Entry] = {}  # of entry points

    @cached_property
    def _elsewhere(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def register(self, name: str, entry: Entry) -> Entry:
        """Add an entry and return it.

        Raises:
            RequestError: if the name is taken.
        """
        if name in self._entries:
            raise RequestError(f"there is a {self.what} {name!r} already; give yours another name.")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
            RequestError: if there is none, or its plug-in cannot be imported.
        """
        if name in self._entries:
            return self._entries[name]
        if not isinstance(name, str) or name not in self._elsewhere:
            raise RequestError(f"{self.what} is {name!r}; choose one of {', '.join(self)}.")
        if name in self._loaded:
            return self._loaded[name]
        point = self._elsewhere[name]
        try:
            loaded = point.load()
        except Exception as error:
            raise _cannot_import(f"the plug-in {point.value!r} of {self.what} {name!r}", error) from error
        return self._loaded.setdefault(name, loaded)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._elsewhere

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._entries, *self._elsewhere]))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _cannot_import(what: str, error: BaseException) -> RequestError:
    said = str(error).splitlines()[0] if str(error) else "no message"
    return RequestError(f"{what} cannot be imported ({type(error).__name__}: {said}); mend it or leave it out.")


def load_plugin(name: str) -> None:
    """Import a module, so that it registers its parts; importing it again does nothing.

    Args:
        name: a module, for example ``my_package.methods``, or the path of a ``.py`` file.

    Raises:
        RequestError: if it cannot be imported.
    """
    try:
        if name.endswith(".py"):
            _import_file(Path(name))
        else:
            importlib.import_module(name)
    except RequestError:
        raise
    except Exception as error:
        raise _cannot_import(f"the plug-in {name!r}", error) from error


def _import_file(path: Path) -> None:
    """Import a file under a name made from its whole path, so that two files of the same name do not clash."""
    name = "oversight_gym_plugin_" + "".join(c if c.isalnum() else "_" for c in str(path.resolve().with_suffix("")))
    if name in sys.modules:
        return
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def make_part(registry: Registry[type[Entry]], text: str) -> Entry:
    """Make a part from its text, for example ``moves`` or ``slippery:chance=0.2``.

    Args:
        registry: a registry of frozen dataclasses, whose fields are the parameters. A class with an attribute
            ``others`` takes parameters of any name, of the type that the attribute gives.
        text: a name, optionally followed by a colon and a comma-separated list of ``parameter=value``.

    Raises:
        RequestError: if there is no such part or parameter, or a parameter's value is wrong.
    """
    if not isinstance(text, str):
        raise RequestError(f"{registry.what} is {text!r}; give a name, for example {next(iter(registry))!r}.")
    name, _, rest = text.partition(":")
    part, parameters = registry[name], {}
    kinds, others = field_types(part), getattr(part, "others", None)
    known = ", ".join(kinds) or "none"
    for assignment in filter(None, rest.split(",")):
        key, equals, value = assignment.partition("=")
        if not equals:
            raise RequestError(f"{registry.what} is {text!r}; write its parameters as in '{name}:parameter=value'.")
        key = key.strip()
        if key not in kinds and others is None:
            raise RequestError(f"{registry.what} is {text!r}; the parameters of {name!r} are: {known}.")
        parameters[key] = typed_text(f"{key} of {registry.what} {name!r}", value.strip(), kinds.get(key, others))
    try:
        return part(**parameters)
    except TypeError as error:
        raise RequestError(f"{registry.what} is {text!r}; the parameters of {name!r} are: {known}.") from error
