"""Which engine is taken, and how it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from build.engines import Buildah, Credentials, Recipe, find_engine
from domain.errors import Failed, Refused, Unreachable
from tests.build.conftest import Calls, add_recorder


def recipe(folder: Path) -> Recipe:
    arguments, labels = {"BASE": "debian"}, {"riskhub.lock-sha256": "ab"}
    return Recipe(folder, "build/tiny/Containerfile", "localhost/tiny:1", arguments, labels, folder / "host.tar")


def test_buildah_is_taken_where_no_docker_answers(
    recorded: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_recorder(tmp_path / "bin", "docker")
    monkeypatch.setenv("ENGINE_FAILS", "version")
    monkeypatch.setenv("ENGINE_SAYS", "Cannot connect to the Docker daemon")
    assert find_engine().name == "buildah"


def test_docker_is_taken_where_it_answers(recorded: Calls, tmp_path: Path) -> None:
    add_recorder(tmp_path / "bin", "docker")
    assert find_engine().name == "docker"
    assert find_engine("buildah").name == "buildah"


@pytest.mark.parametrize("name", [None, "docker", "buildah"])
def test_an_engine_that_is_not_here_is_refused_with_what_to_install(
    name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="install buildah"):
        find_engine(name)  # type: ignore[arg-type]


def test_a_build_hands_the_hosts_settings_over_as_a_secret(recorded: Calls, tmp_path: Path) -> None:
    Buildah().build(recipe(tmp_path), thing="tiny")
    (call,) = recorded()
    assert f"--secret=id=host,src={tmp_path / 'host.tar'}" in call["argv"]
    assert call["argv"][-2:] == [str(tmp_path / "build/tiny/Containerfile"), str(tmp_path)]
    assert {"--build-arg=BASE=debian", "--label=riskhub.lock-sha256=ab", "--pull=never"} <= set(call["argv"])


def test_buildah_needs_no_runtime_unless_the_user_says_so(
    recorded: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUILDAH_ISOLATION", raising=False)
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    Buildah().build(recipe(tmp_path), thing="tiny")
    environment = recorded()[0]["environment"]
    assert (environment["BUILDAH_ISOLATION"], environment["STORAGE_DRIVER"]) == ("chroot", "vfs")


def test_a_build_that_fails_ends_with_its_last_lines_and_where_the_rest_is(
    recorded: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_FAILS", "build")
    monkeypatch.setenv("ENGINE_SAYS", "E: Unable to locate package tinny")
    with pytest.raises(Failed, match=r"Unable to locate package tinny.*build-tiny\.log"):
        Buildah().build(recipe(tmp_path), thing="tiny")
    assert "tinny" in (tmp_path / "state/logs/build-tiny.log").read_text()


def test_a_base_that_cannot_be_had_says_how_to_make_one(recorded: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_FAILS", "pull")
    monkeypatch.setenv("ENGINE_SAYS", "no such host")
    with pytest.raises(Unreachable, match="--component base"):
        Buildah().pull("registry.example.org/debian")


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "localhost"])
def test_loopback_registries_are_spoken_to_in_plain_http(host: str, recorded: Calls) -> None:
    Buildah().push("localhost/tiny:1", f"{host}/tiny:1", Credentials("ci", "secret"), thing="tiny")
    assert [call["argv"][0] for call in recorded() if "--tls-verify=false" in call["argv"]] == ["login", "push"]


@pytest.mark.parametrize("host", ["registry.example.org", "127.0.0.1.example.org", "10.0.0.1:5000"])
def test_no_other_registry_goes_without_tls(host: str, recorded: Calls) -> None:
    Buildah().push("localhost/tiny:1", f"{host}/tiny:1", None, thing="tiny")
    assert all("--tls-verify=false" not in call["argv"] for call in recorded())
