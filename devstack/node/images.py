"""The images that the node loads: the platform's own, and one of everything that belongs to the node itself.

Nothing is pulled: the platform's images are built here (see `build`) and loaded under the tag that the overlay
`local` names.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from build.base import ensure_base
from build.components import COMPONENTS
from build.engines import Engine, Recipe, find_engine
from build.images import build_image, export_image
from devstack.node.programs import BPF_OBJECTS, cache_folder, digest
from domain.errors import Failed

T = TypeVar("T")

TAG = "node"
NODE_IMAGE = f"localhost/riskhub/node:{TAG}"
# One image for all of it, told apart by the command.
_PROGRAMS = ("coredns", "metrics-server", "policy-agent", "controller", "env")
# catatonit is static, and `-P` is its pause mode: what a pod's sandbox runs
_CONTAINERFILE = 'FROM scratch\nCOPY files /\nENTRYPOINT ["/catatonit", "-P"]\n'


def images(programs: Path) -> list[Path]:
    """The archive of every image, built where its inputs changed.

    Raises:
        Refused, Unreachable, Failed: an image cannot be built.
    """
    return [node_image(programs), *platform_images()]


def platform_images() -> list[Path]:
    """Those of `build`, which need no program of the node's. Errors as `images`."""
    engine = find_engine("buildah")
    base = _timed("base", lambda: ensure_base(engine))
    return [_timed(name, partial(_platform_image, name, engine, base)) for name in COMPONENTS]


def _platform_image(component: str, engine: Engine, base: str) -> Path:
    return export_image(build_image(component, engine, base), engine, _folder(), tag=TAG)


def node_image(programs: Path) -> Path:
    """The one of everything that belongs to the node itself. Errors as `images`."""
    return _timed("node", lambda: _node_image(programs))


def _node_image(programs: Path) -> Path:
    engine = find_engine("buildah")
    archive = _folder() / f"node-{digest()}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        context, secret, made = Path(folder) / "context", Path(folder) / "secret", Path(folder) / "node.tar"
        files = context / "files"
        files.mkdir(parents=True)
        for name in (*_PROGRAMS, *(f"{each}.bpf.o" for each in BPF_OBJECTS)):
            shutil.copy2(programs / name, files / name)
        shutil.copy2(_path_of("catatonit"), files / "catatonit")
        (context / "Containerfile").write_text(_CONTAINERFILE)
        secret.touch(mode=0o600)
        engine.build(Recipe(context, "Containerfile", NODE_IMAGE, {}, {}, secret), thing="node")
        engine.save(NODE_IMAGE, made, NODE_IMAGE, thing="node")
        return made.rename(archive)


def _folder() -> Path:
    return cache_folder() / "images"


def _path_of(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Failed(program, "it is not installed", f"apt-get install {program}")
    return found


def _timed(name: str, make: Callable[[], T]) -> T:
    began = time.monotonic()
    made = make()
    seconds = time.monotonic() - began
    if seconds > 2:
        print(f"  image {name:18} made in {seconds:4.0f} s", file=sys.stderr)
    return made
