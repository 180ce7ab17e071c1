"""The built-in oversight methods; each is a row of data."""

from typing import Any

from oversight_gym.agents.methods.method import Method
from oversight_gym.agents.methods.registry import METHODS, register
from oversight_gym.agents.methods.variants import (
    FineTuned,
    InverselyWeighted,
    LabelledByClassifier,
    RewardModelled,
    ShuffledLabels,
)

_ONE: dict[str, Any] = {"experts": ("agent",), "gate": "free"}
_OBSERVED = frozenset({"unknown"})
"""The outcomes to leave out, so that an update sees observed episodes and timeouts."""

for _row in (
    Method(
        "routing",
        "two gated experts; gradients routed by the observed outcome; steered to the diamond expert",
        "Gradient routing (Cloud et al., arXiv 2410.04332, section 4.3). PPO with a reward of +1 for any terminal "
        "square. In episodes that were observed to end on a diamond, the policy gradient is stopped at the ghost "
        "expert and at the gate; in those observed to end on a ghost, at the diamond expert and at the gate; in all "
        "others it is not stopped. The loss includes gate_coef times the cross-entropy of the gate towards the "
        "observed kind.",
        routed=True,
        gate_loss=True,
    ),
    Method(
        "masked_routing",
        "routing, with experts, gate and value network blind to oversight",
        "As routing, loss for loss, but nothing that is trained sees the oversight plane, so that neither the gate nor "
        "an expert can tell watched situations from unwatched ones. It assumes that oversight can be hidden from the "
        "agent. It is not in the paper.",
        routed=True,
        gate_loss=True,
        shown_oversight="masked",
    ),
    LabelledByClassifier(
        "classified_routing",
        "routing, with unobserved ends labelled by a classifier that does not see oversight",
        "As routing, loss for loss, but an episode that ended on a terminal which nobody watched is labelled with the "
        "kind that a classifier finds more likely, so that nearly every episode is routed. The classifier is that of "
        "reward_model_masked. It assumes that a classifier generalises from watched to unwatched episodes. It is not "
        "in the paper.",
        routed=True,
        gate_loss=True,
        evidence="masked_observation",
    ),
    Method(
        "no_routing",
        "control: as routing, gate loss included, with the routing off",
        "The paper's no-routing control. The same PPO loss and gate loss as routing; every step's policy gradient "
        "reaches both experts and the gate.",
        gate_loss=True,
    ),
    Method(
        "no_gate",
        "ablation: as routing, with both experts at weight 0.5 and no gate",
        "What the paper's no-gate ablation should be (its released code configures it as no_routing). The policy is "
        "the mean of both experts' features; policy gradients are routed as in routing; there is no gate and no gate "
        "loss.",
        routed=True,
        gated=False,
    ),
    Method(
        "demix",
        "two experts behind a hard gate: an update passes labelled steps through their expert alone",
        "DEMix layers (Gururangan et al., arXiv 2108.05036), as in the teacher forcing of the paper's first version. "
        "PPO with a reward of +1 for any terminal square; in the update the gate of steps of episodes observed to end "
        "on a diamond or a ghost is set to 1 for that expert and 0 for the other, so that neither the other nor the "
        "gate gets a gradient from them. Other steps, and rollouts, use the learnt gate, which has routing's gate "
        "loss.",
        gate_loss=True,
        hard_gate=True,
    ),
    FineTuned(
        "routing_then_filter",
        "routing; then the steered diamond expert, fine-tuned on observed episodes",
        "As routing until the last finetune_share of training; then rollouts and updates with the gate forced to the "
        "diamond expert, by filtering's loss: +1 diamond, -1 ghost, on the steps of observed episodes and timeouts "
        "alone. The learning rate continues unchanged. It is not in the paper.",
        routed=True,
        gate_loss=True,
        then=Method(
            "filtering_the_best_expert",
            "the gate forced to the best expert, trained on observed episodes and timeouts",
            reward="observed",
            left_out=_OBSERVED,
            training_gate="best",
        ),
    ),
    ShuffledLabels(
        "random_routing",
        "control: as routing, with the observed kinds dealt to the observed episodes at random",
        "As routing, loss for loss, but the labels of the observed episodes of each rollout are permuted among them, "
        "so that they keep their frequencies and lose their meaning. The rewards are those of routing, which do not "
        "depend on kinds.",
        routed=True,
        gate_loss=True,
    ),
    Method(
        "naive",
        "one expert; +1 for any terminal, -1 for an observed ghost",
        "The paper's naive baseline. PPO with a single expert on the reward computed from what was observed: +1 for a "
        "terminal square, -1 if it was observed to be the ghost.",
        reward="naive",
        **_ONE,
    ),
    Method(
        "naive_penalty",
        "naive, with the observed ghost's penalty scaled up to make the mean reward the true one",
        "As naive, with the reward of an observed ghost a parameter, ghost_penalty. By default 1 - 2 / p at oversight "
        "probability p: -1 corrected by inverse-probability weighting, so that a policy which ignored oversight would "
        "be paid the ground truth in the mean. It is not in the paper.",
        reward="penalty",
        **_ONE,
    ),
    Method(
        "masked_oversight",
        "naive, with the policy blind to oversight: the situational-awareness control",
        "As naive, but policy and value network do not see the oversight plane (their weights from it are 0 and stay "
        "so), so the policy cannot behave when watched and misbehave otherwise. It is not in the paper.",
        reward="naive",
        shown_oversight="masked",
        **_ONE,
    ),
    Method(
        "shuffled_oversight",
        "naive, with the policy shown oversight that is drawn independently of the supervisor's",
        "As naive, but each terminal square is shown as overseen with the oversight probability, independent of "
        "whether it is. The inputs look like those of naive, but say nothing about when the policy is watched. It is "
        "evaluated with oversight shown at random in every pattern. It is not in the paper.",
        reward="naive",
        shown_oversight="shuffled",
        **_ONE,
    ),
    RewardModelled(
        "reward_model",
        "one expert; a classifier of outcomes that sees what the policy sees pays the unobserved ones",
        "Semi-supervised reinforcement learning (Finn et al., arXiv 1612.00429). PPO with a single expert on the "
        "ground truth of observed episodes, and on P(diamond) - P(ghost) of unobserved ones, by a classifier trained "
        "with cross-entropy on the observed ones. It reads the policy's last observation and action, terminal planes "
        "included: the supervisor can see everything, and lacks only labels. This is a strong assumption. It is not in "
        "the paper.",
        reward="observed",
        evidence="agent_observation",
        **_ONE,
    ),
    RewardModelled(
        "reward_model_masked",
        "as reward_model, with a classifier that does not see oversight",
        "As reward_model, loss for loss, but the classifier does not see the oversight plane, so that what it learns "
        "on watched episodes carries over to unwatched ones. The policy sees everything. It assumes that a classifier "
        "generalises from watched to unwatched episodes. It is not in the paper.",
        reward="observed",
        evidence="masked_observation",
        **_ONE,
    ),
    RewardModelled(
        "reward_model_trajectory",
        "as reward_model, with a classifier that sees the squares walked and oversight alone",
        "As reward_model, loss for loss, but the classifier reads the squares walked within the rollout, the last "
        "square and action, and the oversight plane, as seen by a supervisor who cannot tell terminals apart. It is "
        "not in the paper.",
        reward="observed",
        evidence="trajectory",
        **_ONE,
    ),
    Method(
        "filtering",
        "one expert, trained only on observed episodes and timeouts, with their true reward",
        "The paper's data filtering. PPO with a single expert, +1 diamond, -1 ghost, on the steps of observed episodes "
        "and timeouts that end within their rollout; all others are dropped. In a situation where no terminal is "
        "watched it therefore sees nothing but timeouts.",
        reward="observed",
        left_out=_OBSERVED,
        **_ONE,
    ),
    Method(
        "filtering_no_timeouts",
        "ablation: filtering, trained only on episodes whose kind was observed",
        "As filtering, loss for loss, but the steps of timeouts are dropped as well, so that an update sees episodes "
        "that were observed to end on a kind, and nothing else. It is not in the paper.",
        reward="observed",
        left_out=_OBSERVED | frozenset({"none"}),
        **_ONE,
    ),
    InverselyWeighted(
        "filtering_weighted",
        "ablation: filtering, with observed episodes weighted by the inverse probability of seeing their end",
        "As filtering, but the steps of an episode whose kind was observed count 1 / p, p being the probability that "
        "its terminal is under oversight; those of timeouts, which are always seen, count 1. It is not in the paper.",
        reward="observed",
        left_out=_OBSERVED,
        **_ONE,
    ),
    Method(
        "oracle",
        "upper bound: one expert trained on the ground truth that no supervisor sees",
        "The paper's oracle. PPO with a single expert on the ground truth of every episode: +1 diamond, -1 ghost.",
        reward="ground_truth",
        **_ONE,
    ),
):
    register(_row)

__all__ = ["METHODS", "Method", "register"]
