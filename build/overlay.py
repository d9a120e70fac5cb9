"""An environment's images: the kustomize component `images/` of its overlay, which is written here and nowhere else."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from domain.errors import Refused
from environments.loader import PROJECT
from environments.settings import EnvironmentName

_HEAD = """\
# Written whole by build/build.py. A digest of zeros means "not built yet": the deployment is refused.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
"""


class Pin(BaseModel):
    """An image as kustomize's `images` has it: the manifests' name, where it is, and which one there.

    What is pulled is named by its digest. A tag is for images that a node has loaded, which nobody pulls.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    newName: str
    digest: str | None = None
    newTag: str | None = None

    @model_validator(mode="after")
    def _names_one_image(self) -> Pin:
        if (self.digest is None) == (self.newTag is None):
            raise ValueError(f"{self.name}: it takes a digest, or the tag of a loaded image")
        if self.digest is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", self.digest):
            raise ValueError(f"{self.name}: a digest is sha256: and 64 hexadecimal digits")
        return self

    @property
    def lines(self) -> str:
        """The entry as it stands in the file."""
        which = f"digest: {self.digest}" if self.digest else f"newTag: {self.newTag}"
        return f"  - name: {self.name}\n    newName: {self.newName}\n    {which}\n"


class ImagesComponent(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    apiVersion: Literal["kustomize.config.k8s.io/v1alpha1"] = "kustomize.config.k8s.io/v1alpha1"
    kind: Literal["Component"] = "Component"
    images: tuple[Pin, ...] = ()


def images_file(environment: EnvironmentName, project: Path = PROJECT) -> Path:
    """Where an environment's digests are."""
    return project / "k8s" / "overlays" / environment / "images" / "kustomization.yaml"


def pin(path: Path, pins: Iterable[Pin]) -> None:
    """Put `pins` in place of those of the same name; the others stay. The file is written whole, sorted by name.

    Raises:
        Refused: the file holds something else than images.
    """
    known = {each.name: each for each in (*_read(path).images, *pins)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="utf-8", delete=False) as file:
        file.write(_HEAD + "".join(known[name].lines for name in sorted(known)))
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _read(path: Path) -> ImagesComponent:
    if not path.exists():
        return ImagesComponent()
    try:
        return ImagesComponent.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        cause = error.errors(include_url=False)[0]["msg"]
    except yaml.YAMLError as error:
        cause = str(error)
    raise Refused(str(path), f"it holds something else than images: {cause}", "restore it from git")
