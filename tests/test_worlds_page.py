"""docs/worlds.md says what the worlds are."""

from pathlib import Path

from forked import run_forked

from oversight_gym.envs.worlds import WORLDS, world_id

ROOT = Path(__file__).parents[1]


def test_the_page_and_its_pictures_are_what_the_registry_gives() -> None:
    checked = run_forked([str(ROOT / "scripts" / "worlds_page.py"), "--check"], cwd=ROOT)
    assert checked.returncode == 0, checked.stderr


def test_every_world_has_a_section() -> None:
    page = (ROOT / "docs" / "worlds.md").read_text()
    for name in WORLDS:
        assert f"### {world_id(name)}\n" in page
        assert f"worlds/{name}.png" in page
