"""A third kind of terminal square, a star that is worth a little, with an expert of its own.

    oversight-gym train --plugin docs/examples/third_kind.py \
        --kinds ghost diamond star --method routing --run-dir runs/star
    oversight-gym evaluate --plugin docs/examples/third_kind.py runs/star

Everything else follows from the kind: an observation plane, an outcome to observe, an expert that its episodes are
routed to, a gate that steers there, the figure ``p_star`` and how it is drawn.
"""

from oversight_gym.envs import Kind, register_kind

register_kind(Kind("star", value=0.5, colour="#F0E442"))
