"""``python -m oversight_gym`` is the command ``oversight-gym``."""

from oversight_gym.cli.main import main

main()
