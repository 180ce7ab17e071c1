"""The table of everything that a key or a button does in a session."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oversight_gym.envs.drawing.marks import letters
from oversight_gym.envs.world.grid import ACTIONS
from oversight_gym.viewer.session import HIGHEST, LOWEST

if TYPE_CHECKING:
    from oversight_gym.viewer.app import App
    from oversight_gym.viewer.session import Session

GATE_STEP = 0.05
KEY_NAMES = {"return": "Enter", "space": "Space", "left": "\u2190", "right": "\u2192", "up": "\u2191", "down": "\u2193"}
"""The usual names of keys that pygame names differently."""


@dataclass(frozen=True)
class Control:
    """One action of the window.

    Attributes:
        key: the key's name in pygame.
        label: the label of its button; empty for no button.
        help: the text for the list on the screen.
        act: the function that it calls.
    """

    key: str
    label: str
    help: str
    act: "Callable[[App], None]"

    @property
    def key_name(self) -> str:
        """The usual name of the key."""
        return KEY_NAMES.get(self.key, self.key)


def _cycle_gate(app: "App") -> None:
    pane = app.session.gated
    if pane is not None:
        gates = ("free", *pane.experts)
        gate = "free" if pane.gate is None else pane.gate
        app.session.set_gate(gates[(gates.index(gate) + 1) % len(gates)] if gate in gates else gates[0])


def _move_gate(change: float) -> "Callable[[App], None]":
    def act(app: "App") -> None:
        weights = app.session.gated.decision().gate if app.session.gated is not None else None
        if weights is not None:
            app.session.set_weight(0, round(min(HIGHEST, max(LOWEST, float(weights[0]) + change)), 2))

    return act


def _restart(app: "App") -> None:
    app.session.restart()


def _next(app: "App") -> None:
    app.session.next_episode()


def _toggle(name: str) -> "Callable[[App], None]":
    def act(app: "App") -> None:
        setattr(app, name, not getattr(app, name))

    return act


def _greedy(app: "App") -> None:
    app.session.greedy = not app.session.greedy


def _faster(factor: float) -> "Callable[[App], None]":
    def act(app: "App") -> None:
        app.speed = min(60.0, max(0.5, app.speed * factor))

    return act


def _watch(kind: str) -> "Callable[[App], None]":
    return lambda app: app.session.toggle_oversight(kind)


def _move(action: int) -> "Callable[[App], None]":
    return lambda app: app.session.step(action)


_WATCHING = (
    Control("space", "pause", "pause and go on", _toggle("paused")),
    Control("n", "step", "one step", lambda app: app.single_step()),
    Control("+", "faster", "faster", _faster(2.0)),
    Control("-", "slower", "slower", _faster(0.5)),
)
_ALWAYS = (
    Control("r", "restart", "the same layout again", _restart),
    Control("return", "next", "next episode", _next),
)
_POLICY = (
    Control("p", "policy", "overlay: arrows by probability, gate behind", _toggle("overlay")),
    Control("m", "greedy", "greedy or sampled actions", _greedy),
)
_LAST = (
    Control("e", "edit", "edit: drag pieces, or click a square", _toggle("editing")),
    Control("c", "picture", "save a screenshot", lambda app: app.save_screenshot()),
    Control("h", "help", "this list", _toggle("helping")),
    Control("q", "quit", "quit", lambda app: app.quit()),
)


def _gate(experts: tuple[str, ...]) -> tuple[Control, ...]:
    first, rest = experts[0], f"the {experts[1]} expert" if len(experts) == 2 else "the other experts"
    named = ", ".join(f"{name} expert" for name in experts)
    return (
        Control("g", "gate", f"gate: free, {named}", _cycle_gate),
        Control("left", "", f"gate towards {rest}, and beyond; or drag its bar", _move_gate(-GATE_STEP)),
        Control("right", "", f"gate towards the {first} expert, and beyond", _move_gate(GATE_STEP)),
    )


def _eyes(terminals: tuple[str, ...]) -> tuple[Control, ...]:
    numbered = enumerate(terminals, start=1)
    return tuple(
        Control(str(number), f"{kind} eye", f"oversight of the {kind}; or click on it", _watch(kind))
        for number, kind in numbered
    )


def _moves(actions: tuple[str, ...], taken: str) -> tuple[Control, ...]:
    """The controls of a person's moves: arrow keys for the four directions, a letter and a button for every other
    action."""
    others = [name for name in actions if name not in ACTIONS]
    keys = dict(zip(others, letters(others, taken), strict=True))
    return tuple(
        Control(
            keys.get(name, name), name if name in keys else "", f"move {name}" if name in ACTIONS else name, _move(i)
        )
        for i, name in enumerate(actions)
    )


def make_controls(session: "Session", playing: bool) -> tuple[Control, ...]:
    """The controls of a session.

    Args:
        session: what is watched or played.
        playing: whether a person moves.
    """
    eyes, gated = _eyes(session.config.terminals), session.gated
    if playing:
        offered = (*_ALWAYS, *eyes, *_LAST)
        return (*offered, *_moves(session.config.world.actions, "".join(c.key for c in offered if len(c.key) == 1)))
    return (*_WATCHING, *_ALWAYS, *(_gate(gated.experts) if gated else ()), *eyes, *_POLICY, *_LAST)
