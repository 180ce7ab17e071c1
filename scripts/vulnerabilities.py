"""Asks pip-audit whether the pinned packages have known vulnerabilities, and says clearly if it cannot tell.

    make vulnerabilities

pip-audit itself succeeds even if it has found no package at all, as with an index that knows no advisories. The exit
status is 0 if every package was checked and is clean, 1 if one is not, and 2 if not all could be checked.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PINS = Path(__file__).parents[1] / "constraints.txt"


def audited() -> list[dict[str, object]]:
    """The findings of pip-audit for each package; the program ends if there are none."""
    if find_spec("pip_audit") is None:
        sys.exit(cannot(f"it is not installed; {sys.executable} -m pip install pip-audit"))
    words = ["-r", str(PINS), "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([sys.executable, "-m", "pip_audit", *words], capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, object]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines() or ["no message"]
        sys.exit(cannot(said[-1]))
    return packages


def cannot(reason: str) -> int:
    """Print that nothing is known, and return the exit status."""
    print(f"pip-audit could not check {PINS.name}: {reason}")
    return 2


def main() -> int:
    """Print the findings, and return the exit status."""
    packages = audited()
    known = [(package, package["vulns"]) for package in packages if package.get("vulns")]
    for package, vulnerabilities in known:
        names = ", ".join(each["id"] for each in vulnerabilities)  # type: ignore[attr-defined]
        print(f"{package['name']} {package['version']} has {names}")
    skipped = [package for package in packages if "skip_reason" in package]
    if skipped:
        return cannot(f"{len(skipped)} of {len(packages)} packages, for example: {skipped[0]['skip_reason']}")
    print(f"{len(packages)} packages checked, {len(known)} with known vulnerabilities.")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
