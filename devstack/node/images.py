"""The image of everything that belongs to the node itself, as an archive that containerd imports.

One image for all of it (pause, DNS, metrics, the policy agent): they differ by their command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from devstack.node.programs import BPF_OBJECTS, cache_folder, digest
from domain.errors import Failed

NODE_IMAGE = "localhost/riskhub/node:node"
_PROGRAMS = ("coredns", "metrics-server", "policy-agent", "controller", "env")
# catatonit is static, and `-P` is its pause mode: what a pod's sandbox runs
_CONTAINERFILE = 'FROM scratch\nCOPY . /\nENTRYPOINT ["/catatonit", "-P"]\n'
_BUILDAH = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "overlay"}


def images(programs: Path) -> list[Path]:
    """Every archive the node loads."""
    return [node_image(programs)]


def node_image(programs: Path) -> Path:
    """The archive of the node's own image; built once for each digest of the programs.

    Raises:
        Failed: buildah ended badly.
    """
    archive = cache_folder() / "images" / f"node-{digest()}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        context = Path(folder, "context")
        context.mkdir()
        for name in (*_PROGRAMS, *(f"{each}.bpf.o" for each in BPF_OBJECTS)):
            shutil.copy2(programs / name, context / name)
        shutil.copy2(_path_of("catatonit"), context / "catatonit")
        Path(folder, "Containerfile").write_text(_CONTAINERFILE)
        _buildah("build", "--quiet", f"--tag={NODE_IMAGE}", f"--file={folder}/Containerfile", str(context))
        made = Path(folder, "image.tar")
        _buildah("push", "--quiet", NODE_IMAGE, f"docker-archive:{made}:{NODE_IMAGE}")
        made.rename(archive)
    return archive


def _path_of(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise Failed(program, "it is not installed", f"apt-get install {program}")
    return found


def _buildah(*arguments: str) -> None:
    done = subprocess.run(
        ("buildah", *arguments),
        env={**_BUILDAH, **os.environ},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"buildah {arguments[0]}", done.stderr.strip()[-300:], "correct it, and run again")
