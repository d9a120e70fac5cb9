"""A base image from Debian's own mirror, for where no registry can be had."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from build.components import SHARED
from build.engines import Engine, Recipe
from build.host import SUITE, debian_sources, host_archive
from build.steps import Tell, quiet, run
from domain.errors import Refused
from environments.loader import PROJECT, state_folder

BASE = f"localhost/debian:{SUITE}"

_FOLDER = "build/base"
_THING = f"base {BASE}"


def ensure_base(engine: Engine, *, tell: Tell = quiet) -> str:
    """The name of the base; it is made when the engine does not have it."""
    if engine.find(BASE) is None:
        make_base(engine, tell=tell)
    return BASE


def make_base(engine: Engine, *, tell: Tell = quiet) -> str:
    """Make the base anew with debootstrap, with Debian's updates as of now; its name. Takes about a minute.

    Raises:
        Refused: this is no root on Debian with debootstrap and lists of its packages.
    """
    mirror = _mirror()
    with tempfile.TemporaryDirectory() as folder:
        root, context, secret = Path(folder) / "root", Path(folder) / "context", Path(folder) / "host.tar"
        log = state_folder() / "logs" / "build-base.log"
        run(("debootstrap", "--variant=minbase", SUITE, str(root), mirror), thing=_THING, log=log, tell=tell)
        _forget_machine(root)
        for name in (*SHARED, f"{_FOLDER}/Containerfile"):
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, context / name)
        pack = ("tar", "--numeric-owner", "-C", str(root), "-cf", str(context / "root.tar"), ".")
        run(pack, thing=_THING, log=log, tell=tell)
        shutil.rmtree(root)
        secret.touch(mode=0o600)
        secret.write_bytes(host_archive())
        engine.build(Recipe(context, f"{_FOLDER}/Containerfile", BASE, {}, {}, secret), thing="base", tell=tell)
    return BASE


def _forget_machine(root: Path) -> None:
    """Take out what debootstrap brought from this machine, and what nobody reads in a container."""
    for name in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / name)
        (root / name / "partial").mkdir(parents=True)
    for name in ("etc/apt/sources.list", "etc/resolv.conf", "etc/hostname"):
        (root / name).write_text("")
    for name in ("usr/share/locale", "usr/share/man"):
        shutil.rmtree(root / name)
        (root / name).mkdir()
    (root / "var/log/bootstrap.log").unlink()
    for path in (root / "usr/share/doc").rglob("*"):
        if path.is_file() and path.name != "copyright":
            path.unlink()


def _mirror() -> str:
    if os.geteuid() != 0:
        raise Refused(_THING, "debootstrap needs root", "run it as root, or build on a base from a registry")
    if not shutil.which("debootstrap"):
        raise Refused(_THING, "debootstrap is not here", "apt-get install debootstrap")
    mirrors = [uri for uri, suite, _ in map(str.split, debian_sources()) if suite == SUITE]
    if not mirrors:
        raise Refused(_THING, f"apt knows no mirror of Debian's {SUITE}", "run apt-get update on a Debian 12 machine")
    return mirrors[0]
