"""What the policy sees: planes of the grid, or another view that a user registers."""

from oversight_gym.envs.views.planes import Planes
from oversight_gym.envs.views.view import VIEWS, View, make_view

__all__ = ["VIEWS", "Planes", "View", "make_view"]
