"""The host's way to its package indexes, handed into a build as one secret and never left in an image.

Mirrors, indexes, proxies and a company's own certificates differ from machine to machine; the Containerfiles know none
of them. `build/install` unpacks the archive made here for as long as it runs.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

SUITE = "bookworm"

_DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def host_archive(variables: Mapping[str, str] = os.environ) -> bytes:
    """A tar of `environment` (shell exports), `apt.conf`, and where the host has them `apt.list` and `ca.crt`."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in package_indexes(variables).items())
    files = {"environment": exports.encode(), "apt.conf": _apt_configuration().encode()}
    if sources := debian_sources():
        lines = (f"deb [signed-by={_DEBIAN_KEYS}] {source}\n" for source in sources)
        files["apt.list"] = "".join(lines).encode()
    certificates = Path(variables.get("SSL_CERT_FILE") or _CERTIFICATES)
    if certificates.is_file():
        files["ca.crt"] = certificates.read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def package_indexes(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables by which pip, uv and npm in a build find the indexes that the host's own use."""
    found = {name: variables[name] for name in _PROXIES if variables.get(name)}
    index = variables.get("PIP_INDEX_URL") or _says(sys.executable, "-m", "pip", "config", "get", "global.index-url")
    if index:
        found |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
    registry = variables.get("npm_config_registry") or _says("npm", "config", "get", "registry")
    if registry:
        found["npm_config_registry"] = registry
    return found


def debian_sources() -> list[str]:
    """Where the host gets Debian's own packages, as `URI SUITE COMPONENT`; none when it runs another release."""
    suites = {SUITE, f"{SUITE}-updates", f"{SUITE}-security"}
    listed = _says(
        "apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) main", "Origin: Debian", "Component: main"
    )
    return sorted({line for line in listed.splitlines() if line.split()[1] in suites})


def _apt_configuration() -> str:
    """The host's proxies and its tolerance for a mirror that is frozen in time."""
    kept = ("Acquire::http", "Acquire::https", "Acquire::Check-")
    return "".join(f"{line}\n" for line in _says("apt-config", "dump", "Acquire").splitlines() if line.startswith(kept))


def _says(*command: str) -> str:
    """What `command` prints; nothing when it is not there or has no answer."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
