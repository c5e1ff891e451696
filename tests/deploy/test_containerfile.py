"""The recipe of the image. No container engine runs here: what it copies, who it runs as, and its commands but downloads."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from moorage.deploy.common import OVERFLOW_USER
from moorage.deploy.values import Image
from tests.rules.source import ROOT

TEXT = (ROOT / "Containerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    """`("RUN", "pip wheel ...")`: continued lines joined, comments left out."""
    lines = [each for each in TEXT.splitlines() if not each.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    split = [re.sub(r"\s+", " ", each).strip().partition(" ") for each in joined.splitlines() if each.strip()]
    return [(word, rest) for word, _, rest in split]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def copied() -> list[Path]:
    """What comes from the repository."""
    every = [rest.split() for rest in of("COPY") if not rest.startswith("--from")]
    return [ROOT / each for sources in every for each in sources[:-1]]


def commands(first: str) -> list[str]:
    """The arguments of the one command that begins so."""
    (found,) = [part.strip() for rest in of("RUN") for part in rest.split("&&") if part.strip().startswith(first)]
    return found.split()


def test_every_instruction_is_known() -> None:
    assert {word for word, _ in instructions()} == {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT"}


def test_both_stages_have_the_python_of_the_lock_file() -> None:
    bases = {rest.split()[0] for rest in of("FROM")}
    assert len(bases) == 1
    (version,) = re.findall(r"python:([\d.]+)-slim", bases.pop())
    assert f"--python-version {version}\n" in (ROOT / "Makefile").read_text()


def test_what_is_copied_is_there_and_not_left_out() -> None:
    kept = [each[1:] for each in (ROOT / ".containerignore").read_text().splitlines() if each.startswith("!")]
    assert copied()
    for each in copied():
        assert each.exists()
        assert any(fnmatch.fnmatch(each.name, pattern) for pattern in kept)
    (stage,) = [rest for rest in of("COPY") if rest.startswith("--from")]
    assert of("FROM")[0].endswith(f" AS {stage.split()[0].removeprefix('--from=')}")


def test_nobody_is_root_by_default() -> None:
    """By number: only then does Kubernetes believe `runAsNonRoot`."""
    assert of("USER") == [f"{OVERFLOW_USER}:{OVERFLOW_USER}"]
    assert instructions()[-1] == ("ENTRYPOINT", '["moorage"]')


def test_its_name_is_the_default_of_the_manifests() -> None:
    image = Image()
    assert f"-t {image.repository}:{image.tag} ." in TEXT


def test_the_programs_that_it_starts_are_installed() -> None:
    assert any("install -y --no-install-recommends nftables" in each for each in of("RUN"))


def test_downloads_are_pinned_by_hash() -> None:
    assert "--require-hashes" in commands("pip wheel")
    for first in ("tools/bin/pip install", "tools/bin/pip wheel", "pip --python /opt/moorage install"):
        assert "--no-index" in commands(first)


@pytest.mark.timeout(120)
def test_moorage_is_built_and_installed_from_what_is_copied(tmp_path: Path) -> None:
    """The two commands about Moorage itself, as they stand in the recipe, with this interpreter's packages beside it."""
    context, installed = tmp_path / "build", tmp_path / "opt"
    context.mkdir()
    for each in copied():
        if each.is_dir():
            shutil.copytree(each, context / each.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(each, context / each.name)

    def pip(arguments: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments], cwd=context, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    pip(commands("tools/bin/pip wheel")[1:])
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(installed)], check=True)
    install = [str(installed) if each == "/opt/moorage" else each for each in commands("pip --python /opt/moorage install")[1:]]
    pip([*install, "--no-deps"])
    packages = next(installed.glob("lib/python*/site-packages"))
    (packages / "beside.pth").write_text(
        "\n".join({sysconfig.get_path("purelib"), *(each for each in sys.path if "-packages" in each)})
    )
    ran = subprocess.run([installed / "bin" / "moorage", "manifests"], capture_output=True, text=True, check=True, env={})
    assert "kind: DaemonSet" in ran.stdout
    where = subprocess.run(
        [installed / "bin" / "python", "-c", "import moorage; print(moorage.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    assert where.stdout.startswith(str(packages))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(context.glob(f"wheels/{project['name']}-{project['version']}-*.whl"))
