"""A method with a loss term of its own: routing whose ghost expert is to do with few active features.

    oversight-gym train --plugin docs/examples/own_loss.py --method sparse_ghost --run-dir runs/sparse_ghost
    oversight-gym train --plugin docs/examples/own_loss.py --method measured_ghost --run-dir runs/measured_ghost

The term joins the sum that every update minimises, and is logged as ``train/ghost_l1``. The control ``measured_ghost``
is the same method with weight 0: it logs the term and trains as ``routing`` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from oversight_gym.agents import ForwardPass, Method, Minibatch, RoutedRollouts, Term, register


@dataclass(frozen=True)
class SparseGhost(Method):
    """Penalises the mean absolute value of the ghost expert's features.

    Attributes:
        l1: weight of the penalty.
    """

    l1: float = 0.0

    def loss_terms(self, model: RoutedRollouts) -> Mapping[str, Term]:
        ghost = model.experts.index("ghost")

        def ghost_l1(batch: Minibatch, forward: ForwardPass) -> Tensor:
            assert forward.mixed is not None
            return forward.mean(forward.mixed.expert_outputs[ghost].abs().mean(dim=1))

        return {**super().loss_terms(model), "ghost_l1": Term(ghost_l1, self.l1)}


register(
    SparseGhost(
        "sparse_ghost",
        "as routing, with an L1 penalty on the ghost expert's features",
        "Routing's loss plus l1 times the mean absolute value of the ghost expert's features, over all steps.",
        routed=True,
        gate_loss=True,
        l1=0.1,
    )
)
register(
    SparseGhost(
        "measured_ghost",
        "control: as sparse_ghost, with the penalty logged and not paid",
        "Routing's loss; the penalty of sparse_ghost is logged and has weight 0.",
        routed=True,
        gate_loss=True,
    )
)
