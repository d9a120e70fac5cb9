"""Which images there are, and all that goes into each.

An image is made from a folder here, the files it shares with the others, and the sources it carries. Their digest
tells whether it has to be built again; the commit that last changed one of them is the image's revision. So a commit
elsewhere in the repository makes no new image.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Refused
from environments.loader import PROJECT

SHARED = ("build/install", "bootstrap.lock")


@dataclass(frozen=True)
class Component:
    """An image of ours.

    Attributes:
        name: as in `riskhub/<name>`, the name the manifests use; its folder is `build/<name>`.
        locks: files that pin what is installed, relative to the repository.
        sources: files and folders of the repository that the image carries; in the build they are below `source/`.
        extends: the component whose image this one is built on, if not on the base.
    """

    name: str
    locks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    extends: str | None = None

    @property
    def folder(self) -> str:
        return f"build/{self.name}"

    @property
    def containerfile(self) -> str:
        return f"{self.folder}/Containerfile"


def _python(name: str, *sources: str) -> Component:
    return Component(name, locks=(f"build/{name}/requirements.lock",), sources=sources)


COMPONENTS = {
    component.name: component
    for component in (
        _python("jupyterhub"),
        Component(
            "proxy",
            locks=("build/proxy/requirements.lock", "devstack/proxy/package-lock.json"),
            sources=("devstack/proxy/package.json", "devstack/proxy/package-lock.json"),
        ),
        _python("business-user", "notebooks/jupyter"),
        Component("data-scientist", locks=("build/data-scientist/requirements.lock",), extends="business-user"),
        _python(
            "runbook",
            "cli",
            "deployments",
            "domain",
            "environments",
            "flows",
            "k8s",
            "notebooks",
            "plans",
            "systems",
            "tasks",
            "prefect.yaml",
            "pyproject.toml",
            "README.md",
            "requirements-runbook.in",
        ),
        Component("redis"),
    )
}


@dataclass(frozen=True)
class Inputs:
    """All that goes into an image, as it is in the checkout now.

    Attributes:
        files: relative to `project`, sorted.
        digest: SHA-256 over the names, modes and contents of all files.
        installed_digest: the same without the sources: what the installed packages depend on.
        lock_digest: SHA-256 of the locks one after the other, as `cat LOCKS | sha256sum` says it. An image of Debian
            packages alone has no lock; its Containerfile is then all that says what is in it.
        revision: the commit that last changed one of the files.
        dirty: one of them differs from that commit.
    """

    component: Component
    project: Path
    files: tuple[str, ...]
    digest: str
    installed_digest: str
    lock_digest: str
    revision: str
    dirty: bool

    @property
    def tag(self) -> str:
        """`<commit>-<lock>`, 12 and 8 digits; a dirty one says so and carries its own inputs' digest."""
        tag = f"{self.revision[:12]}-{self.lock_digest[:8]}"
        return f"{tag}-dirty-{self.digest[:8]}" if self.dirty else tag

    def stage(self, context: Path) -> None:
        """Copy all files into the folder that the engine builds from, sources below `source/`."""
        for name in self.files:
            target = context / ("source" if _is_below(name, self.component.sources) else ".") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.project / name, target, follow_symlinks=False)
            if not target.is_symlink():
                target.chmod(_mode(target))


def read_inputs(component: Component, project: Path = PROJECT) -> Inputs:
    """What `component` is made from now; files that git ignores are left out.

    Raises:
        Refused: `project` is no git checkout, or a declared source is not there.
    """
    extended = COMPONENTS[component.extends] if component.extends else None
    below = (extended.folder, *extended.sources) if extended else ()
    declared = (component.folder, *below, *SHARED, *component.sources)
    for name in declared:
        if not (project / name).exists():
            raise Refused(
                f"image {component.name}", f"{name} is not there", "restore it, or correct build/components.py"
            )
    listed = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *declared)
    files = sorted({name for name in listed.split("\0") if name and os.path.lexists(project / name)})
    dirty = _git(project, "status", "--porcelain", "--", *declared)
    revision = _git(project, "log", "-1", "--format=%H", "--", *declared) or _git(project, "rev-parse", "HEAD")
    locks = component.locks or (component.containerfile,)
    return Inputs(
        component,
        project,
        tuple(files),
        digest=_digest(project, files),
        installed_digest=_digest(project, (name for name in files if not _is_below(name, component.sources))),
        lock_digest=hashlib.sha256(b"".join((project / name).read_bytes() for name in locks)).hexdigest(),
        revision=revision.strip(),
        dirty=bool(dirty),
    )


def _git(project: Path, *arguments: str) -> str:
    done = subprocess.run(("git", "-C", str(project), *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(
            f"checkout {project}",
            f"git {arguments[0]} says: {done.stderr.strip()}",
            "build from a git checkout with at least one commit: an image is labelled with it",
        )
    return done.stdout


def _is_below(name: str, folders: Iterable[str]) -> bool:
    return any(name == folder or name.startswith(folder + "/") for folder in folders)


def _digest(project: Path, names: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for name in names:
        path = project / name
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        whole.update(f"{name}\0{_mode(path):o}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def _mode(path: Path) -> int:
    """0755 or 0644, as git knows it, whatever the umask of the checkout."""
    return 0o755 if path.lstat().st_mode & 0o100 else 0o644
