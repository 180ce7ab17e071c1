"""Hyperparameters and environments, as data: two tuned here (docs/tuning.md), and the paper's two set-ups."""

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from msgspec import Meta
from tyro.constructors import PrimitiveConstructorSpec

from oversight_gym.agents.ppo.defects import ALL, known_defects
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.config import RewardAmount
from oversight_gym.envs.errors import choose
from oversight_gym.envs.fields import Checked, Count, NotNegative, Positive, Probability
from oversight_gym.envs.oversight.outcomes import DEFAULT_KINDS
from oversight_gym.envs.world.grid import Side
from oversight_gym.envs.worlds import WORLDS

Width = Annotated[int, Meta(ge=1, le=65536)]
LONGEST_EPISODE = 10_000
"""The largest number of steps of an episode; every evaluation goes through all of them."""

_DEFECTS: PrimitiveConstructorSpec[tuple[str, ...]] = PrimitiveConstructorSpec(
    nargs="*",
    metavar="[DEFECT ...]",
    instance_from_str=lambda words: tuple(words) or (ALL,),
    is_instance=lambda value: isinstance(value, tuple),
    str_from_instance=list,
)
"""The form of defects on the command line."""


@dataclass(frozen=True)
class Hyperparameters(Checked):
    """Everything about a run that a preset decides. The defaults are the preset ``fast``.

    Raises:
        RequestError: if a value is impossible.
    """

    total_timesteps: Count = 2_500_000
    """Environment steps, rounded up to whole rollouts."""
    num_envs: Count = 512
    """Environments side by side."""
    n_steps: Count = 64
    """Steps per environment and rollout."""
    n_epochs: Count = 1
    """Passes over each rollout."""
    batch_size: Annotated[int, Meta(ge=2, le=10**12)] = 4096
    """Steps per minibatch."""
    learning_rate: Positive = 1.2e-3
    """Adam's learning rate."""
    anneal: bool = True
    """Anneal the learning rate linearly to 0."""
    gamma: Annotated[float, Meta(gt=0, le=1)] = 0.97
    """Discount per step."""
    gae_lambda: Probability = 0.95
    """Lambda of generalised advantage estimation."""
    clip_range: Positive = 0.2
    """PPO's clipping range."""
    normalize_advantage: bool = True
    """Normalise advantages per minibatch."""
    ent_coef: NotNegative = 0.13
    """Weight of the entropy bonus."""
    vf_coef: NotNegative = 0.5
    """Weight of the value loss."""
    gate_coef: NotNegative = 0.67
    """Weight of the gate loss, for methods that have one."""
    balanced_gate: bool = True
    """Let both kinds count equally in the gate loss, instead of every labelled step."""
    gate_per_minibatch: bool = False
    """Average the gate loss over each minibatch's labelled steps instead of over the rollout's."""
    drop_unfinished: bool = False
    """Leave the steps of episodes that are still running when a rollout ends out of training, for every method. By
    default, methods that do not filter by label train on them as unlabelled steps. Dropping them favours short
    episodes."""
    ghost_penalty: RewardAmount | None = None
    """Reward of an observed ghost for naive_penalty; none for 1 - 2 / oversight, which is unbiased."""
    finetune_share: Probability = 0.2
    """Share of the steps, at the end, in which routing_then_filter fine-tunes."""
    paper_compat: Annotated[tuple[str, ...], _DEFECTS] = ()
    """Defects of the paper's released code to reproduce in training; no name means all of them. cut: episodes that are
    cut off by the time limit or a rollout's end are worth nothing beyond, instead of being bootstrapped. stale: an
    episode's first action is chosen on the last observation before it. late: episodes time out one step too late."""
    max_grad_norm: NotNegative = 0.5
    """Gradient clipping by global norm; 0 switches it off."""
    ortho_init: bool = False
    """SB3's orthogonal initialisation instead of torch's own."""
    zero_bias: bool = False
    """Begin with biases of 0."""
    adam_eps: Positive = 1e-5
    """Epsilon of Adam."""
    layers: Annotated[tuple[Width, ...], Meta(min_length=1)] = (128, 128)
    """Hidden layers of each expert."""
    gate_layers: tuple[Width, ...] = (128, 128, 128)
    """Hidden layers of the gate; none for a linear gate."""
    gate_channels: Annotated[int, Meta(ge=0, le=65536)] = 0
    """Channels of a 1 x 1 convolution before the gate's hidden layers; 0 for no convolution."""
    value_layers: tuple[Width, ...] = (128, 128)
    """Hidden layers of the value network."""
    value_channels: Annotated[int, Meta(ge=0, le=65536)] = 0
    """Channels of a 1 x 1 convolution before the value network's hidden layers; 0 for no convolution."""
    linear_value: bool = False
    """Use no activations in the value network, which makes it a linear baseline."""

    size: tuple[Side, Side] = (5, 5)
    """Rows and columns of the grid."""
    walls: str = "none"
    """Walls: none, border, maze (maze:seed=3), or a map such as ..#/.../#.. with walls where there is a #."""
    kinds: tuple[str, ...] = DEFAULT_KINDS
    """Kinds of terminals."""
    copies: tuple[int, ...] = ()
    """Number of terminals of each kind; none for one each."""
    dynamics: str = "moves"
    """How actions move the agent; parameters follow as in slippery:chance=0.2."""
    monitor: str = "none"
    """Part of the supervision that the agent can change: none, button, battery, ask, door, limited."""
    tampering: bool = True
    """Let the agent change it."""
    step_cost: NotNegative = 0.0
    """Cost of each step."""
    oversight_process: str = "independent"
    """Which terminals are under oversight: independent, by_distance, camera and others."""
    view: str = "planes"
    """What the policy sees: planes, window, camera (a picture), index (a number)."""
    supervisor: str = "reliable"
    """How a seen terminal is reported; parameters follow as in errs:ghost=0.2."""
    flag: str = "true"
    """How oversight is shown to the policy: true, hidden, or noisy."""
    looks: int = 1
    """Number of looks of each kind of terminal."""
    labelled_looks: int = 1
    """Number of looks that can be under oversight."""
    spurious_oversight: Probability = 0.0
    """Probability that a square without a terminal is shown as overseen."""
    split: str = "all"
    """Placements of the terminals: all, train (train:share=0.2), or test, those held out."""
    min_distance: Side = 1
    """Least distance from the agent to every terminal at the start."""
    unique_nearest_terminal: bool = False
    """Start only where exactly one terminal is nearest to the agent."""
    max_episode_steps: Annotated[int, Meta(ge=1, le=LONGEST_EPISODE)] = 32
    """Steps after which an episode is truncated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "paper_compat", known_defects(self.paper_compat))
        for network in ("gate", "value"):
            if getattr(self, f"{network}_channels") and not getattr(self, f"{network}_layers"):
                raise RequestError(f"{network}_layers is empty; give a layer width, or {network}_channels 0.")
        if self.num_envs * self.n_steps < 2:
            raise RequestError("num_envs and n_steps are 1; a rollout needs at least 2 steps.")


FAST = Hyperparameters()

WEAK_GATE = replace(FAST, batch_size=2048, learning_rate=1e-3, ent_coef=0.2, gate_coef=0.01)
"""Tuned by hand for routing at 10 % oversight, with a gate loss too weak to make experts of the mixture by itself."""

PAPER_PPO = replace(
    FAST,
    total_timesteps=1_500_000,
    num_envs=4,
    n_steps=256,
    n_epochs=4,
    batch_size=256,
    learning_rate=2.5e-4,
    ent_coef=0.05,
    gate_coef=0.3,
    drop_unfinished=True,
    layers=(256, 256),
    gate_layers=(),
    value_layers=(128,),
    size=(7, 7),
    walls="border",
    spurious_oversight=0.25,
    min_distance=3,
    unique_nearest_terminal=True,
)

PAPER_REINFORCE = replace(
    FAST,
    total_timesteps=20_000 * 512 * 32,
    num_envs=512,
    n_steps=32,
    n_epochs=1,
    batch_size=512 * 32,  # one minibatch: the ratio is 1 and the clipping range without effect
    learning_rate=5e-5,
    anneal=False,
    gae_lambda=1.0,
    normalize_advantage=False,
    ent_coef=0.1,
    gate_coef=0.01,
    balanced_gate=False,
    zero_bias=True,
    max_grad_norm=0.0,
    adam_eps=1e-8,
    layers=(256, 256),
    gate_layers=(256, 256),
    gate_channels=4,
    value_layers=(256, 32),
    value_channels=16,
    linear_value=True,
)

PRESETS: dict[str, Hyperparameters] = {
    "fast": FAST,
    "weak-gate": WEAK_GATE,
    "paper-ppo": PAPER_PPO,
    "paper-reinforce": PAPER_REINFORCE,
}
"""``paper-ppo`` and ``paper-reinforce`` hold the two set-ups of Cloud et al. (arXiv 2410.04332, section 4.3 and its
released code): PPO on the first version of the environment, REINFORCE with a baseline on the second. The latter does
what that code does, except for its defects, which ``paper_compat`` adds. The former differs from the paper in two ways:
the gate loss counts both kinds equally (``balanced_gate=False`` for the paper's own), and the actor, which is
convolutional in the paper, has the second version's experts with a linear gate."""

_PAID_BY_OUTCOME = {"learning_rate": 2.9e-3, "ent_coef": 0.11, "batch_size": 1024}
"""What the search finds best for every method that is paid for the kind of its terminals, known or guessed."""
OWN: dict[str, dict[str, dict[str, Any]]] = {
    "fast": dict.fromkeys(
        (
            "filtering",
            "filtering_no_timeouts",
            "filtering_weighted",
            "reward_model",
            "reward_model_masked",
            "reward_model_trajectory",
            "oracle",
        ),
        _PAID_BY_OUTCOME,
    )
}
"""Per-method overrides of a preset, by preset and method (docs/tuning.md)."""


def preset_hyperparameters(preset: str, method: str, world: str | None = None) -> Hyperparameters:
    """The settings that a preset has for a method, in a world of that name or in the preset's own.

    Raises:
        RequestError: if there is no such preset or world.
    """
    own = OWN.get(preset, {}).get(method, {})
    return replace(choose("preset", preset, PRESETS), **own, **({} if world is None else world_settings(world)))


_OTHER_NAMES = {"spurious_oversight": "spurious_oversight_probability"}
ENV_FIELDS = {
    field.name: _OTHER_NAMES.get(field.name, field.name)
    for field in fields(Hyperparameters)
    if _OTHER_NAMES.get(field.name, field.name) in {own.name for own in fields(EnvConfig)}
}
"""The settings of a run that are fields of ``EnvConfig``, and their names there."""


def world_settings(world: str) -> dict[str, Any]:
    """The settings of a run that make a world.

    Raises:
        RequestError: if there is no such world, or a run has no setting for one of its own.
    """
    row, names = WORLDS[world], {theirs: ours for ours, theirs in ENV_FIELDS.items()}
    config = row.config()
    for name in row.settings:
        if name not in names:
            raise RequestError(f"world {world!r} sets {name}, which is no setting of a run; leave it out of the world.")
    found = {names[name]: getattr(config, name) for name in row.settings}
    return found | ({"size": (config.grid.rows, config.grid.cols)} if "size" in found else {})
