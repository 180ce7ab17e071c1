"""What the policy sees: planes of the grid, or another view that a user registers."""

from oversight_gym.envs.views.index import Index
from oversight_gym.envs.views.planes import Planes
from oversight_gym.envs.views.view import VIEWS, View, make_view
from oversight_gym.envs.views.window import Window

__all__ = ["VIEWS", "Index", "Planes", "View", "Window", "make_view"]
