"""What of the host's settings a build is given."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from build.host import debian_sources, host_archive, package_indexes


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: (opened.extractfile(member) or io.BytesIO()).read() for member in opened}


def test_the_hosts_certificates_are_handed_in(tmp_path: Path) -> None:
    certificates = tmp_path / "ca.crt"
    certificates.write_text("a company's own")
    assert members(host_archive({"SSL_CERT_FILE": str(certificates)}))["ca.crt"] == b"a company's own"


def test_an_index_of_pip_is_uvs_too_and_survives_the_shell() -> None:
    index = "https://user:it's $HOME@index.example.org/simple"
    script = members(host_archive({"PIP_INDEX_URL": index}))["environment"].decode()
    printed = subprocess.run(
        ("sh", "-c", f'{script}\nprintf "%s %s" "$PIP_INDEX_URL" "$UV_DEFAULT_INDEX"'),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == f"{index} {index}"


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "no_proxy", "npm_config_registry"])
def test_proxies_and_the_npm_registry_are_handed_in(name: str) -> None:
    assert package_indexes({name: "http://127.0.0.1:3128"})[name] == "http://127.0.0.1:3128"


def test_secrets_of_the_shell_are_not() -> None:
    archive = host_archive({"AWS_SECRET_ACCESS_KEY": "secret-of-the-shell", "PIP_INDEX_URL": "http://127.0.0.1/simple"})
    assert b"secret-of-the-shell" not in archive


def test_only_debians_own_packages_of_this_release_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(
        "#!/bin/sh\nprintf '%s\\n' 'http://mirror.test/debian bookworm main' 'http://mirror.test/debian trixie main' "
        "'http://mirror.test/debian-security bookworm-security main' 'http://mirror.test/debian bookworm main'\n"
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian_sources() == [
        "http://mirror.test/debian bookworm main",
        "http://mirror.test/debian-security bookworm-security main",
    ]


def test_a_host_without_apt_has_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian_sources() == []
    assert "apt.list" not in members(host_archive({}))
