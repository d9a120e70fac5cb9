"""Every name that one object calls another by: it exists, or is known to come from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.k8s.jobs import flow_run
from tests.k8s.rendering import OVERLAYS, Document, Pods, configuration, named, of_kind, overlay, workloads
from tests.k8s.servers import server_pods

each_overlay = pytest.mark.parametrize("name", OVERLAYS)

# The names contract of k8s/README.md: what a deployment finds in the cluster, or is refused.
SECRETS = {
    ("jupyterhub", "hub"): {
        "api_token",
        "people_token",
        "cookie_secret",
        "crypto_key",
        "database_url",
        "proxy_token",
        "oauth_client_id",
        "oauth_client_secret",
        "risk_api_token",
        "risk_api_token_business_user",
        "risk_api_token_data_scientist",
        "metrics_token",
        "local_password",
    },
    ("riskhub", "runbook"): {
        "JUPYTERHUB_API_TOKEN",
        "HUB_DATABASE_URL",
        "RISK_API_TOKEN",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    },
}


def all_pods(name: str) -> list[Pods]:
    return [*workloads(overlay(name)), *(server_pods(name, each) for each in ("business-user", "data-scientist"))]


def variables(pods: Pods) -> Iterator[tuple[str, Document]]:
    """(variable, where its value comes from) of all containers."""
    for container in pods.containers:
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                yield variable["name"], variable["valueFrom"]


@each_overlay
def test_every_key_of_a_secret_is_in_the_contract(name: str) -> None:
    used: dict[tuple[str, str], set[str]] = {}
    for pods in all_pods(name):
        for _, source in variables(pods):
            if reference := source.get("secretKeyRef"):
                used.setdefault((pods.namespace, reference["name"]), set()).add(reference["key"])
    assert {(secret, key) for secret, keys in used.items() for key in keys - SECRETS[secret]} == set()


def test_the_local_password_is_asked_for_only_where_people_log_in_locally() -> None:
    asking = {
        name: any(
            source.get("secretKeyRef", {}).get("key") == "local_password"
            for pods in workloads(overlay(name))
            for _, source in variables(pods)
        )
        for name in OVERLAYS
    }
    assert asking == {"local": False, "dev": True, "uat": False, "prod": False}


@each_overlay
def test_the_token_of_departures_is_told_the_hub_and_nobody_else(name: str) -> None:
    """Flow runs get the Secret `runbook` whole, and that one does not hold it: see the contract above."""
    told = {
        pods.name
        for pods in [*all_pods(name), flow_run("image")]
        for variable, source in variables(pods)
        if variable == "JUPYTERHUB_PEOPLE_TOKEN" or source.get("secretKeyRef", {}).get("key") == "people_token"
    }
    assert told == {"jupyterhub/hub"}
    assert "people_token" in SECRETS["jupyterhub", "hub"]
    assert not [key for key in SECRETS["riskhub", "runbook"] if "PEOPLE" in key]


@each_overlay
def test_every_configuration_that_a_pod_names_is_there(name: str) -> None:
    documents = overlay(name)
    for pods in workloads(documents):
        for container in pods.containers:
            for source in container.get("envFrom", []):
                if "secretRef" in source:
                    assert (pods.namespace, source["secretRef"]["name"]) in SECRETS
                else:
                    named(documents, "ConfigMap", source["configMapRef"]["name"], pods.namespace)
        for _, source in variables(pods):
            if reference := source.get("configMapKeyRef"):
                assert reference["key"] in named(documents, "ConfigMap", reference["name"], pods.namespace)["data"]
        for volume in pods.spec.get("volumes", []):
            if "configMap" in volume:
                named(documents, "ConfigMap", volume["configMap"]["name"], pods.namespace)


@each_overlay
def test_every_mount_has_its_volume_and_every_claim_its_file_system(name: str) -> None:
    documents = overlay(name)
    for pods in all_pods(name):
        volumes = {volume["name"] for volume in pods.spec.get("volumes", [])}
        mounted = {mount["name"] for each in pods.containers for mount in each.get("volumeMounts", [])}
        assert mounted == volumes, pods.name
        for volume in pods.spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                named(documents, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], pods.namespace)
    for claim in of_kind(documents, "PersistentVolumeClaim"):
        volume = named(documents, "PersistentVolume", claim["spec"]["volumeName"])
        bound = {"namespace": claim["metadata"]["namespace"], "name": claim["metadata"]["name"]}
        assert volume["spec"]["claimRef"] == bound
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


@each_overlay
def test_two_volumes_never_share_a_handle(name: str) -> None:
    """The kubelet takes two volumes of one handle for one, and mounts the second for nobody."""
    handles = [
        each["spec"]["csi"]["volumeHandle"]
        for each in of_kind(overlay(name), "PersistentVolume")
        if "csi" in each["spec"]
    ]
    assert len(handles) == len(set(handles)) == (0 if name == "local" else 3)


@each_overlay
def test_every_account_exists(name: str) -> None:
    documents = overlay(name)
    for pods in all_pods(name):
        if account := pods.spec.get("serviceAccountName"):
            named(documents, "ServiceAccount", account, pods.namespace)
    for binding in of_kind(documents, "RoleBinding"):
        named(documents, "Role", binding["roleRef"]["name"], binding["metadata"]["namespace"])
        for subject in binding["subjects"]:
            named(documents, "ServiceAccount", subject["name"], subject["namespace"])


@pytest.mark.parametrize("name", ["dev", "uat", "prod"])
def test_each_type_of_user_and_the_runbook_have_an_iam_role_of_their_own(name: str) -> None:
    accounts = ("business-user", "data-scientist", "platform-admin", "runbook")
    roles = {
        account: named(overlay(name), "ServiceAccount", account)["metadata"]["annotations"][
            "eks.amazonaws.com/role-arn"
        ]
        for account in accounts
    }
    assert {account: role.rpartition("/")[2] for account, role in roles.items()} == {
        account: f"riskhub-{name}-{account}" for account in accounts
    }


@each_overlay
def test_every_service_reaches_a_port_of_the_pods_that_it_selects(name: str) -> None:
    documents = overlay(name)
    for service in of_kind(documents, "Service"):
        namespace, selector = service["metadata"]["namespace"], service["spec"]["selector"]
        behind = [
            each
            for each in workloads(documents)
            if each.namespace == namespace and selector.items() <= each.labels.items()
        ]
        assert len(behind) == 1, service["metadata"]["name"]
        ports = {port["name"] for container in behind[0].containers for port in container.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@each_overlay
def test_every_probe_asks_a_port_that_is_there(name: str) -> None:
    for pods in workloads(overlay(name)):
        for container in pods.containers:
            ports = {port["name"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind, {})
                for action in ("httpGet", "tcpSocket"):
                    assert probe.get(action, {}).get("port") in {None, *ports}, f"{pods.name} {kind}"


@pytest.mark.parametrize("name", ["dev", "uat", "prod"])
def test_the_ingress_leads_to_the_proxy_under_the_public_address(name: str) -> None:
    documents = overlay(name)
    spec = named(documents, "Ingress", "hub")["spec"]
    public = configuration(documents, "platform", "jupyterhub")["data"]["JUPYTERHUB_PUBLIC_URL"]
    (rule,), (tls,) = spec["rules"], spec["tls"]
    assert public == f"https://{rule['host']}"
    assert tls == {"hosts": [rule["host"]], "secretName": "hub-tls"}
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = named(documents, "Service", backend["name"], "jupyterhub")
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


@each_overlay
def test_hub_and_flow_runs_are_told_the_same_addresses(name: str) -> None:
    documents = overlay(name)
    hub = configuration(documents, "platform", "jupyterhub")["data"]
    runs = configuration(documents, "platform", "riskhub")["data"]
    both = ("RISKHUB_ENVIRONMENT", "JUPYTERHUB_PUBLIC_URL", "RISK_API_URL")
    assert {key: hub[key] for key in both} == {key: runs[key] for key in both}


@each_overlay
def test_addresses_within_the_cluster_are_those_of_services(name: str) -> None:
    documents = overlay(name)
    services = {
        (each["metadata"]["namespace"], each["metadata"]["name"], port["port"])
        for each in of_kind(documents, "Service")
        for port in each["spec"]["ports"]
    }
    hub = configuration(documents, "platform", "jupyterhub")["data"]
    runs = configuration(documents, "platform", "riskhub")["data"]
    prefect = configuration(documents, "prefect", "riskhub")["data"]
    assert hub["HUB_CONNECT_URL"] == "http://hub:8081"
    assert hub["PROXY_API_URL"] == "http://proxy-api:8001"
    assert runs["JUPYTERHUB_API_URL"] == "http://hub.jupyterhub:8081/hub/api"
    assert runs["PREFECT_API_URL"] == "http://prefect-server:4200/api"
    assert prefect["PREFECT_SERVER_DOCKET_URL"] == "redis://redis:6379/1"
    assert {
        ("jupyterhub", "hub", 8081),
        ("jupyterhub", "proxy-public", 80),
        ("jupyterhub", "proxy-api", 8001),
        ("jupyterhub", "management-api", 80),
        ("riskhub", "prefect-server", 4200),
        ("riskhub", "redis", 6379),
    } == services
