"""A third kind of terminal square, a coin that is worth a little, with an expert of its own.

    oversight-gym train --plugin docs/examples/third_kind.py \
        --kinds ghost diamond coin --method routing --run-dir runs/coin
    oversight-gym evaluate --plugin docs/examples/third_kind.py runs/coin

Everything else follows from the kind: an observation plane, an outcome to observe, an expert that its episodes are
routed to, a gate that steers there, the figure ``p_coin`` and how it is drawn.
"""

from oversight_gym.envs import Kind, register_kind

register_kind(Kind("coin", value=0.5, colour="#F0E442"))
