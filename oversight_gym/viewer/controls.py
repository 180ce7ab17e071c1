"""Everything that a key or a button does, as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oversight_gym.envs.world.grid import ACTIONS

if TYPE_CHECKING:
    from oversight_gym.viewer.app import App

GATE_STEP = 0.05


@dataclass(frozen=True)
class Control:
    """One thing that can be done.

    Attributes:
        key: as pygame names it.
        label: of its button; empty for none.
        help: for the list on the screen.
        act: what it does.
        watching, playing: where it is offered.
    """

    key: str
    label: str
    help: str
    act: "Callable[[App], None]"
    watching: bool = True
    playing: bool = True


def _cycle_gate(app: "App") -> None:
    pane = app.session.gated
    if pane is not None:
        gates = ("free", *pane.experts)
        gate = pane.gate or "free"
        app.session.set_gate(gates[(gates.index(gate) + 1) % len(gates)] if gate in gates else gates[0])


def _move_gate(change: float) -> "Callable[[App], None]":
    def act(app: "App") -> None:
        pane = app.session.gated
        weight = pane.situation()[0] if pane is not None else None
        if weight is not None:
            app.session.set_gate(round(min(1.0, max(0.0, weight + change)), 2))

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


CONTROLS = (
    Control("space", "pause", "pause and go on", _toggle("paused"), playing=False),
    Control("n", "step", "one step", lambda app: app.single_step(), playing=False),
    Control("+", "faster", "faster", _faster(2.0), playing=False),
    Control("-", "slower", "slower", _faster(0.5), playing=False),
    Control("r", "restart", "the same layout again", _restart),
    Control("return", "next", "next episode", _next),
    Control("g", "gate", "gate: free, diamond expert, ghost expert", _cycle_gate, playing=False),
    Control("left", "", "gate towards the ghost expert; or drag its bar", _move_gate(-GATE_STEP), playing=False),
    Control("right", "", "gate towards the diamond expert", _move_gate(GATE_STEP), playing=False),
    Control("1", "ghost eye", "oversight of the ghost; or click on it", _watch("ghost")),
    Control(
        "2",
        "diamond eye",
        "oversight of the diamond; or click on it",
        _watch("diamond"),
    ),
    Control("p", "policy", "overlay: arrows by probability, gate behind", _toggle("overlay"), playing=False),
    Control("m", "greedy", "greedy or sampled actions", _greedy, playing=False),
    Control("e", "edit", "edit: drag pieces, or click a square", _toggle("editing")),
    Control("c", "picture", "save a screenshot", lambda app: app.save_screenshot()),
    Control("h", "help", "this list", _toggle("helping")),
    Control("q", "quit", "quit", lambda app: app.quit()),
    *(Control(name, "", f"move {name}", _move(action), watching=False) for action, name in enumerate(ACTIONS)),
)
