"""The cluster's certificates: private, complete, made once."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from devstack.node import network
from devstack.node.certificates import make_certificates


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "certificates"
    make_certificates(made)
    return made


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_no_key_and_no_kubeconfig_is_readable_by_others(folder: Path) -> None:
    private = [*folder.glob("*.key"), *folder.glob("*.kubeconfig")]
    assert len(private) > 10
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder, *private])


def test_the_api_server_is_known_by_its_service_and_by_the_node_s_address(folder: Path) -> None:
    names = certificate(folder / "apiserver.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)
    addresses = {str(each) for each in names.get_values_for_type(x509.IPAddress)}
    assert {network.API_SERVICE, network.NODE} <= addresses


def test_every_certificate_is_issued_by_the_cluster_s_authority(folder: Path) -> None:
    authority = certificate(folder / "ca.crt")
    issued = [path for path in folder.glob("*.crt") if path.name != "ca.crt"]
    assert len(issued) == 7
    for path in issued:
        certificate(path).verify_directly_issued_by(authority)


def test_the_node_is_what_node_authorisation_asks_for(folder: Path) -> None:
    assert certificate(folder / "kubelet.crt").subject.rfc4514_string() == "CN=system:node:node1,O=system:nodes"


def test_a_kubeconfig_names_files_that_open_a_connection(folder: Path) -> None:
    document = json.loads((folder / "admin.kubeconfig").read_text())
    user = document["users"][0]["user"]
    context = ssl.create_default_context(cafile=document["clusters"][0]["cluster"]["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])


def test_a_second_start_keeps_them(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    make_certificates(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
