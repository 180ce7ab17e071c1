"""What is built works in another folder, in a virtual environment of its own, with nothing of the checkout."""

import os
import shutil
import site
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow
SMALL = {"--total-timesteps": 4096, "--num-envs": 32, "--n-steps": 32, "--batch-size": 256, "--evaluations": 2}
COMMANDS = [
    ["--version"],
    ["doctor"],
    ["worlds"],
    ["methods"],
    ["train", "--run-dir", "mine", *(word for option in SMALL.items() for word in option)],
    ["evaluate", "mine"],
    ["verify", "mine", "--no-repeat"],
    ["map", "mine"],
    ["export", "mine", "--html", "mine.html"],
    ["export", "--html", "packaged.html"],  # the agent that comes with the package
    ["watch", "--record", "watch.gif", "--episodes", "1"],
    ["compare", "mine", "--paper", "gradient-routing"],
]


def call(*words: object, cwd: Path) -> str:
    """A program that finds nothing by the folder it is called in."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([*map(str, words)], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The source distribution, built from the files that git knows, and the wheel that is built from it alone."""
    pytest.importorskip("build")
    out, source = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("source") / "checkout"
    names = call("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out)
    return {"sdist": next(out.glob("*.tar.gz")), "wheel": next(out.glob("*.whl"))}


def environment(distribution: Path, folder: Path) -> Path:
    """The programs of a fresh virtual environment, which borrows what the package depends on."""
    venv.create(folder)
    packages = next(folder.glob("lib/python*/site-packages"))
    installed = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "lent.pth").write_text(f"import sys; sys.path.extend({installed!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet", "--no-index"]
    call(*pip, "--no-deps", "--no-build-isolation", "--ignore-installed", distribution, cwd=folder)
    return folder / "bin"


def test_every_command_works_elsewhere(built: dict[str, Path], tmp_path: Path) -> None:
    programs, here = environment(built["wheel"], tmp_path / "venv"), tmp_path / "here"
    here.mkdir()
    where = "import oversight_gym, oversight_gym.envs as envs; print(oversight_gym.__file__, envs.__file__)"
    for path in call(programs / "python", "-c", where, cwd=here).split():
        assert Path(path).is_relative_to(tmp_path / "venv")
    for words in COMMANDS:
        call(programs / "oversight-gym", *words, cwd=here)
    for name in ("mine/finished.json", "mine.html", "packaged.html", "watch.gif", "mine/compare/compare.csv"):
        assert (here / name).stat().st_size, name
    make = (
        'import gymnasium; print(gymnasium.make("oversight_gym:OversightGrid-v0", render_mode="ansi").reset()[0].shape)'
    )
    assert call(programs / "python", "-c", make, cwd=here) == "(4, 5, 5)\n"


def test_the_source_distribution_installs_the_same_files(built: dict[str, Path], tmp_path: Path) -> None:
    programs = environment(built["sdist"], tmp_path / "venv")
    assert call(programs / "oversight-gym", "--version", cwd=tmp_path).startswith("oversight-gym ")
    folder = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("oversight_gym/")]
        assert [name for name in names if wheel.read(name) != (folder / name).read_bytes()] == []


def test_the_wheel_holds_what_is_no_code(built: dict[str, Path]) -> None:
    names = set(zipfile.ZipFile(built["wheel"]).namelist())
    for folder in ("browser/page", "runs/packaged"):
        files = [path for path in (ROOT / "oversight_gym" / folder).rglob("*") if path.is_file()]
        assert files
        assert {str(path.relative_to(ROOT)) for path in files} <= names
    assert "oversight_gym/py.typed" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"oversight_gym"}


def test_the_description_stands_by_itself(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
        message = Parser().parsestr(wheel.read(name).decode())
    assert message["Description-Content-Type"] == "text/markdown"
    text = message.get_payload()
    assert "oversight-gym" in text
    assert text.count("](") == text.count("](https://")


def test_the_source_distribution_holds_tests_and_documentation(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["docs/index.md", "docs/conf.py", "tests/conftest.py", "constraints.txt", "Makefile", "CHANGELOG.md"]
    assert [name for name in wanted if name not in names] == []
