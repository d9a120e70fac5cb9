"""Build a component's image, or find that it is there; write it to a file that a node can import.

engine = find_engine()
image = build_image("jupyterhub", engine, ensure_base(engine))
archive = export_image(image, engine, Path("images"))
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from build.components import COMPONENTS, read_inputs
from build.engines import Engine, Found, Recipe
from build.host import host_archive
from build.steps import Tell, quiet
from domain.errors import Failed, Refused
from environments.loader import PROJECT

DEFAULT_BASE = "docker.io/library/debian:bookworm-slim"

_REVISION = "org.opencontainers.image.revision"
_BASE_NAME = "org.opencontainers.image.base.name"
_LOCK = "riskhub.lock-sha256"
_INPUTS = "riskhub.inputs-sha256"


@dataclass(frozen=True)
class Image:
    """An image in an engine's store.

    Attributes:
        name: `localhost/riskhub/<component>`.
        tag: `<commit>-<lock>`, see `Inputs.tag`.
        id: digest of its configuration, `sha256:...`; the same wherever it is imported.
        built: False when it was there already.
        seconds: what it took.
    """

    component: str
    name: str
    tag: str
    id: str
    revision: str
    dirty: bool
    lock_sha256: str
    base: str
    built: bool
    seconds: float

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}"


def build_image(
    component: str, engine: Engine, base: str = DEFAULT_BASE, *, project: Path = PROJECT, tell: Tell = quiet
) -> Image:
    """Make the image of `component`, unless the very same inputs were built on the very same base before.

    Args:
        project: the checkout to build from.
        base: a Debian 12 image; it is pulled when the engine does not have it. A component that extends another is
            built on that one's image, which is made first.

    Raises:
        Refused: there is no such component, or the checkout lacks one of its sources.
        Unreachable: the base cannot be had.
        Failed: the build failed.
    """
    began = time.monotonic()
    if component not in COMPONENTS:
        raise Refused(f"image {component!r}", "there is no such component", f"choose one of {', '.join(COMPONENTS)}")
    inputs = read_inputs(COMPONENTS[component], project)
    if inputs.component.extends:
        base = build_image(inputs.component.extends, engine, base, project=project, tell=tell).reference
    base_id = _base_id(engine, base, tell)
    name = f"localhost/riskhub/{component}"
    reference = f"{name}:{inputs.tag}"
    labels = {
        _REVISION: inputs.revision + ("-dirty" if inputs.dirty else ""),
        _LOCK: inputs.lock_digest,
        _INPUTS: f"{inputs.digest}@{base_id}",
        _BASE_NAME: base,
    }
    found = engine.find(reference)
    built = found is None or found.labels.get(_INPUTS) != labels[_INPUTS]
    if found is None or built:
        with tempfile.TemporaryDirectory() as folder:
            context, secret = Path(folder) / "context", Path(folder) / "host.tar"
            inputs.stage(context)
            secret.touch(mode=0o600)
            secret.write_bytes(host_archive())
            arguments = {"BASE": base, "INSTALLED": inputs.installed_digest}
            recipe = Recipe(context, inputs.component.containerfile, reference, arguments, labels, secret)
            engine.build(recipe, thing=component, tell=tell)
        found = _require(engine, reference)
    return Image(
        component=component,
        name=name,
        tag=inputs.tag,
        id=found.id,
        revision=inputs.revision,
        dirty=inputs.dirty,
        lock_sha256=inputs.lock_digest,
        base=base,
        built=built,
        seconds=time.monotonic() - began,
    )


def export_image(image: Image, engine: Engine, folder: Path, *, tag: str | None = None, tell: Tell = quiet) -> Path:
    """Write `<folder>/<component>.tar`, as `docker save` does; a file that holds this image already is left alone.

    Args:
        tag: what the image is called after the import, as `<name>:<tag>`; its own tag unless told.
    """
    archive = folder / f"{image.component}.tar"
    reference = f"{image.name}:{tag or image.tag}"
    if _holds(archive, image, reference):
        return archive
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)  # buildah does not write over an archive
    engine.save(image.reference, unfinished, reference, thing=image.component, tell=tell)
    return unfinished.rename(archive)


def _base_id(engine: Engine, base: str, tell: Tell) -> str:
    if engine.find(base) is None:
        engine.pull(base, tell=tell)
    return _require(engine, base).id


def _require(engine: Engine, reference: str) -> Found:
    found = engine.find(reference)
    if found is None:
        raise Failed(reference, f"{engine.name} does not find what it has just made", "look for a second one at work")
    return found


def _holds(archive: Path, image: Image, reference: str) -> bool:
    try:
        with tarfile.open(archive) as opened:
            (told,) = json.loads((opened.extractfile("manifest.json") or io.BytesIO()).read())
    except (OSError, tarfile.TarError, KeyError, ValueError):
        return False
    return reference in told["RepoTags"] and image.id.removeprefix("sha256:") in told["Config"]
