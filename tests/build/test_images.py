"""When an image is built, and what it is called and labelled."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from build.components import COMPONENTS, Component
from build.engines import Credentials, EngineName, Found, Recipe
from build.images import Image, build_image, export_image
from build.steps import Tell, quiet
from domain.errors import Refused
from tests.build.checkouts import commit, commit_change


class Shelf:
    """An engine whose store is a dictionary."""

    name: EngineName = "buildah"

    def __init__(self, bases: Mapping[str, str]) -> None:
        self.store = {name: Found(identity, {}) for name, identity in bases.items()}
        self.registry: dict[str, Found] = {}
        self.recipes: list[Recipe] = []
        self.contexts: list[set[str]] = []
        self.saved = 0

    def find(self, reference: str) -> Found | None:
        return self.store.get(reference)

    def pull(self, reference: str, *, tell: Tell = quiet) -> None:
        self.store[reference] = self.registry[reference]

    def build(self, recipe: Recipe, *, thing: str, tell: Tell = quiet) -> None:
        self.recipes.append(recipe)
        self.contexts.append({str(path.relative_to(recipe.context)) for path in recipe.context.rglob("*")})
        self.store[recipe.reference] = Found(f"sha256:{len(self.recipes):064d}", recipe.labels)

    def save(self, reference: str, archive: Path, name: str, *, thing: str, tell: Tell = quiet) -> None:
        self.saved += 1
        identity = self.store[reference].id.removeprefix("sha256:")
        manifest = json.dumps([{"Config": f"{identity}.json", "RepoTags": [name], "Layers": []}]).encode()
        with tarfile.open(archive, "w") as written:
            member = tarfile.TarInfo("manifest.json")
            member.size = len(manifest)
            written.addfile(member, io.BytesIO(manifest))

    def push(
        self, reference: str, destination: str, credentials: Credentials | None, *, thing: str, tell: Tell = quiet
    ) -> str:
        raise NotImplementedError


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1/simple")  # to ask pip and npm takes a second
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1/npm")
    return Shelf({"base": "sha256:b1"})


def build(checkout: Path, engine: Shelf, component: str = "tiny", base: str = "base") -> Image:
    return build_image(component, engine, base, project=checkout)


def test_the_same_inputs_on_the_same_base_are_built_once(checkout: Path, engine: Shelf) -> None:
    first, second = build(checkout, engine), build(checkout, engine)
    assert (first.built, second.built, len(engine.recipes)) == (True, False, 1)
    assert (first.id, first.reference) == (second.id, second.reference)


def test_a_new_base_makes_a_new_image(checkout: Path, engine: Shelf) -> None:
    build(checkout, engine)
    engine.store["base"] = Found("sha256:b2", {})
    assert build(checkout, engine).built


def test_a_changed_source_makes_a_new_image(checkout: Path, engine: Shelf) -> None:
    build(checkout, engine)
    commit_change(checkout, "app/main.py")
    assert build(checkout, engine).built


def test_an_image_is_labelled_with_commit_lock_and_base(checkout: Path, engine: Shelf) -> None:
    image = build(checkout, engine)
    labels = engine.store[image.reference].labels
    assert labels["org.opencontainers.image.revision"] == image.revision
    assert labels["riskhub.lock-sha256"] == image.lock_sha256
    assert labels["org.opencontainers.image.base.name"] == "base"
    assert image.reference == f"localhost/riskhub/tiny:{image.revision[:12]}-{image.lock_sha256[:8]}"


def test_changes_in_no_commit_are_in_the_label(checkout: Path, engine: Shelf) -> None:
    (checkout / "app/main.py").write_text("unfinished")
    image = build(checkout, engine)
    assert image.dirty
    revision = engine.store[image.reference].labels["org.opencontainers.image.revision"]
    assert revision == f"{image.revision}-dirty"


def test_a_base_that_is_not_here_is_pulled(checkout: Path, engine: Shelf) -> None:
    engine.registry["registry.example.org/debian"] = Found("sha256:b3", {})
    assert build(checkout, engine, base="registry.example.org/debian").built


def test_the_hosts_settings_are_beside_the_context_not_in_it(checkout: Path, engine: Shelf) -> None:
    build(checkout, engine)
    (recipe,) = engine.recipes
    assert recipe.context not in recipe.secret.parents
    assert not any("host" in name for name in engine.contexts[0])


def test_a_component_that_extends_another_is_built_on_that_ones_image(
    checkout: Path, engine: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "build/bigger").mkdir()
    (checkout / "build/bigger/Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    monkeypatch.setitem(COMPONENTS, "bigger", Component("bigger", extends="tiny"))
    commit(checkout)
    image = build(checkout, engine, "bigger")
    tiny, bigger = engine.recipes
    assert bigger.arguments["BASE"] == tiny.reference == image.base


def test_a_component_nobody_knows_is_refused_with_the_known_ones(engine: Shelf) -> None:
    with pytest.raises(Refused, match="choose one of jupyterhub"):
        build_image("jupiterhub", engine, "base")


def test_an_archive_is_written_once_for_an_image(checkout: Path, engine: Shelf, tmp_path: Path) -> None:
    image = build(checkout, engine)
    archive = export_image(image, engine, tmp_path / "out")
    assert archive == tmp_path / "out/tiny.tar"
    assert (export_image(image, engine, tmp_path / "out"), engine.saved) == (archive, 1)
    commit_change(checkout, "app/main.py")
    export_image(build(checkout, engine), engine, tmp_path / "out")
    assert engine.saved == 2


def test_an_archive_holds_the_name_that_was_asked_for(checkout: Path, engine: Shelf, tmp_path: Path) -> None:
    image = build(checkout, engine)
    export_image(image, engine, tmp_path)
    with tarfile.open(export_image(image, engine, tmp_path, tag="node")) as archive:
        (told,) = json.loads((archive.extractfile("manifest.json") or io.BytesIO()).read())
    assert told["RepoTags"] == ["localhost/riskhub/tiny:node"]


@pytest.mark.parametrize("content", [b"", b"half an archive"])
def test_an_archive_that_was_cut_short_is_written_anew(
    content: bytes, checkout: Path, engine: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "tiny.tar").write_bytes(content)
    (tmp_path / "tiny.unfinished").write_bytes(content)
    export_image(build(checkout, engine), engine, tmp_path)
    assert tarfile.is_tarfile(tmp_path / "tiny.tar")
    assert not (tmp_path / "tiny.unfinished").exists()
