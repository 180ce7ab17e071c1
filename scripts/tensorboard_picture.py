"""Takes a picture of the custom-scalars tab on a folder of runs, with Debian's chromium.

python scripts/tensorboard_picture.py runs/paper docs/tensorboard.png [--runs REGEX] [--category TITLE]
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class PictureConfig:
    """Start TensorBoard on a folder, open it in a browser and save a picture."""

    folder: tyro.conf.Positional[Path]
    """Folder of runs."""
    out: tyro.conf.Positional[Path]
    """PNG file."""
    runs: str = "seed=0"
    """Runs to show, as a regular expression."""
    category: str = "Levels of one method"
    """Charts to show first."""


def take(address: str, chromium: str, config: PictureConfig) -> None:
    """Filter the runs, scroll to the charts and save the picture."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{address}#custom_scalars")
        heading = page.get_by_text(config.category)
        heading.wait_for(timeout=60_000)
        page.wait_for_timeout(20_000)  # the server goes on reading events
        page.reload()
        heading.wait_for(timeout=60_000)
        page.locator("tf-runs-selector input").first.fill(config.runs)
        heading.evaluate("element => element.scrollIntoView()")
        page.wait_for_timeout(5_000)
        page.screenshot(path=config.out)
        browser.close()


def main() -> None:
    config = tyro.cli(PictureConfig)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed; install Debian's package chromium.")
    words = [sys.executable, "-m", "oversight_gym", "tensorboard", str(config.folder), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            addresses = (re.search(r" at (http://\S+)", line) for line in server.stderr)
            take(next(found[1] for found in addresses if found), chromium, config)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
