"""Published values, for comparison with ours."""

import csv
from pathlib import Path

from oversight_gym.envs import RequestError


def read_published(path: Path) -> dict[str, dict[float, float]]:
    """Return by level and method, from a CSV with a column ``oversight_probability`` and one per method.

    Raises:
        RequestError: if it is not such a file.
    """
    try:
        with path.open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        levels = [row.pop("oversight_probability") for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RequestError(
            f"{path} cannot be used ({error}); give oversight_probability and methods as columns."
        ) from None
    return {name: dict(zip(levels, (row[name] for row in rows), strict=True)) for name in (rows[0] if rows else {})}
