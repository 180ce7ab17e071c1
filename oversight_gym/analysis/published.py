"""Published values, for comparison with ours."""

import csv
from pathlib import Path

from oversight_gym.envs import RequestError

PUBLISHED = {"gradient-routing": Path(__file__).with_name("gradient_routing.csv")}
"""Tables that come with the package: Cloud et al. (2024), read off the figure of section 4.3, to about 0.01."""


def read_published(source: Path) -> dict[str, dict[float, float]]:
    """Return by level and method.

    Args:
        source: a name in ``PUBLISHED``, or a CSV with a column ``oversight_probability`` and one per method.

    Raises:
        RequestError: if it is not such a file.
    """
    path = PUBLISHED.get(str(source), source)
    try:
        with path.open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        levels = [row.pop("oversight_probability") for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RequestError(
            f"{path} cannot be used ({error}); give oversight_probability and methods as columns."
        ) from None
    return {name: dict(zip(levels, (row[name] for row in rows), strict=True)) for name in (rows[0] if rows else {})}
