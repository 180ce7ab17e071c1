"""The loss of a method as formulas, from the fields of its row: Markdown with MathML, which browsers draw alone."""

from collections.abc import Iterator

from latex2mathml.converter import convert

from oversight_gym.agents.methods.method import Method
from oversight_gym.agents.methods.variants import (
    Classified,
    FineTuned,
    InverselyWeighted,
    LabelledByClassifier,
    RewardModelled,
    ShuffledLabels,
)
from oversight_gym.envs.oversight.outcomes import FIRST_KIND, Outcome
from oversight_gym.envs.oversight.rewards import REWARDS

STEP = r"\left[\ell_t + c_V \left(V(s_t) - G_t\right)^2 - c_H\, \mathcal{H}(\pi(\cdot \mid s_t))\right]"
CLIPPED = r"\ell_t = -\min\left(\rho_t A_t,\ \operatorname{clip}(\rho_t, 1 - \varepsilon, 1 + \varepsilon)\, A_t\right)"
GATE = r"L_{\text{gate}} = \frac{1}{K} \sum_{k=1}^{K} \frac{1}{|D_k|} \sum_{t \in D_k} -\log g_k(s_t)"
RATIO = r"\rho_t = \pi(a_t \mid s_t) / \pi_{\text{old}}(a_t \mid s_t)"
POLICY = r"\pi = \operatorname{softmax}\left(b + W \sum_k %s\right)"
EPSILON, STOP = r"\varepsilon", r"\operatorname{sg}"
FORCED = r"\pi = \operatorname{softmax}(b + W h)"
STOPPED = (
    r"(\tilde g_k,\ \tilde h_k) = \begin{cases} (g_k,\ h_k) & \text{if } y_t \text{ is none} \\ "
    r"(\operatorname{sg} g_k,\ h_k) & \text{if } y_t = k \\ "
    r"(\operatorname{sg} g_k,\ \operatorname{sg} h_k) & \text{otherwise} \end{cases}"
)
STOPPED_EXPERTS = (
    r"\tilde h_k = \begin{cases} h_k & \text{if } y_t \text{ is } k \text{ or none} \\ "
    r"\operatorname{sg} h_k & \text{otherwise} \end{cases}"
)
HARD = (
    r"\tilde g_k = \begin{cases} g_k & \text{if } y_t \text{ is none} \\ 1 & \text{if } y_t = k \\ "
    r"0 & \text{otherwise} \end{cases}"
)
VALUES = (-1.0, 1.0)
"""Of ghost and diamond, the kinds of the default world."""


def inline(latex: str) -> str:
    """A formula within a line."""
    return convert(latex)


def display(*lines: str) -> str:
    """Formulas on lines of their own."""
    return "\n".join(f'<div class="formula">{convert(latex, display="block")}</div>' for latex in lines) + "\n"


def loss(method: Method) -> str:
    """What a method minimises in the default world, and what the symbols stand for, as Markdown."""
    if isinstance(method, FineTuned) and method.then is not None:
        last = "And in the last `finetune_share` of training:"
        return f"{_formulas(method)}\n{last}\n\n{_formulas(method.then)}"
    return _formulas(method)


def _formulas(method: Method) -> str:
    mean = r"\frac{1}{|D|} \sum_{t \in D}"
    if isinstance(method, InverselyWeighted):
        mean = r"\frac{1}{\sum_{t \in D} w_t} \sum_{t \in D} w_t"
    total = f"L = {mean} {STEP}" + (r" + c_g L_{\text{gate}}" if method.gate_loss else "")
    shown = display(total, CLIPPED, *([GATE] if method.gate_loss else []))
    return "\n".join([shown, *(f"- {line}" for line in _symbols(method)), ""])


def _symbols(method: Method) -> Iterator[str]:
    """What each symbol stands for, a line each."""
    of_rewards = f"{inline('A_t')} and {inline('G_t')} are the advantages and returns of the rewards {inline('r_t')}"
    yield f"{of_rewards}, the former normalised in each minibatch if the preset says so; {inline(RATIO)}."
    yield f"{inline('r_t')} is paid at the end of an episode: {', '.join(_rewards(method))}."
    yield f"{inline('D')} has the steps of {_steps(method)}."
    if isinstance(method, InverselyWeighted):
        yield f"{inline('w_t')} is 1 / P(the terminal reached is under oversight), and 1 in timeouts."
    if method.shown_oversight != "true":
        plane = {"masked": "is not seen", "shuffled": "is drawn independently of what the supervisor sees"}
        yield f"In {inline('s_t')} the oversight plane {plane[method.shown_oversight]}."
    yield from _policy(method)
    if method.labelled:
        yield f"{inline('y_t')} is {_label(method)}"
    if method.gate_loss:
        labelled = inline(r"D_k = \{t : y_t = k\}")
        yield f"{labelled}, of the whole rollout; {inline('K')} counts the experts that have such steps."
        yield "With `balanced_gate` off, all labelled steps count alike instead."
    if isinstance(method, Classified):
        yield f"The classifier {inline('q')} is trained on observed ends after each rollout, by cross-entropy."
    gate = f", {inline('c_g')} `gate_coef`" if method.gate_loss else ""
    named = f"{inline('c_V')} is `vf_coef`, {inline('c_H')} `ent_coef`{gate}"
    yield f"{named} and {inline(EPSILON)} `clip_range`; V is the value, H the entropy."


def _policy(method: Method) -> Iterator[str]:
    """How experts and gate make the policy, and where gradients stop."""
    if method.training_gate != "free":
        yield f"{inline(FORCED)} with the features {inline('h')} of the best expert alone."
        return
    if method.experts is not None and len(method.experts) == 1:
        return
    product, where = "g_k h_k", ""
    if method.routed:
        product, where = r"\tilde g_k \tilde h_k", STOPPED
        if not method.gated:
            product, where = r"\frac{1}{2} \tilde h_k", STOPPED_EXPERTS
    elif method.hard_gate:
        product, where = r"\tilde g_k h_k", HARD
    gate = f" and the gate's weights {inline('g_k')}" if method.gated else ""
    stop = f"; {inline(STOP)} stops the gradient and changes no value" if method.routed else ""
    yield f"{inline(POLICY % product)} with the experts' features {inline('h_k')}{gate}{stop}."
    if where:
        yield f"In updates\n\n  {display(where)}"


def _label(method: Method) -> str:
    """What a step is labelled with."""
    nobody = "none if nobody saw it, in timeouts, and in episodes that go on."
    if isinstance(method, ShuffledLabels):
        return f"the kind observed at the end of *some* episode, dealt at random among the observed ones; {nobody}"
    if isinstance(method, LabelledByClassifier):
        return (
            "the kind observed at the end of the step's episode, or else the one that the classifier finds likeliest; "
            "none in timeouts and in episodes that go on."
        )
    return f"the kind observed at the end of the step's episode; {nobody}"


def _rewards(method: Method) -> Iterator[str]:
    """The amount for each way in which an episode can end on a terminal."""
    reward = REWARDS[method.reward]
    table = reward.table(VALUES)
    unknown, (ghost, diamond) = table[Outcome.UNKNOWN], table[FIRST_KIND:]
    if unknown == ghost == diamond:
        yield f"{unknown:+g} for any terminal"
        return
    seen = "a" if reward.uses_hidden else "an observed"
    yield f"{diamond:+g} for {seen} diamond"
    if method.reward == "penalty":
        default = f"by default {inline('1 - 2 / p')} at oversight probability {inline('p')}"
        yield f"`ghost_penalty` for {seen} ghost ({default})"
    else:
        yield f"{ghost:+g} for {seen} ghost"
    if isinstance(method, RewardModelled):
        judged = inline(r"q(\text{diamond}) - q(\text{ghost})")
        yield f"{judged} for a terminal that nobody saw"
    elif not reward.uses_hidden and "unknown" not in method.left_out:
        yield f"{unknown:+g} for a terminal that nobody saw"


def _steps(method: Method) -> str:
    """Which steps are in the sum."""
    if "none" in method.left_out:
        return "episodes whose kind was observed"
    if "unknown" in method.left_out:
        return "episodes whose kind was observed, and of timeouts, if they end within the rollout"
    return "the rollout, those of episodes that go on included" if method.unfinished else "episodes that end within it"
