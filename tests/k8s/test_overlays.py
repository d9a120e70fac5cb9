"""What makes each overlay the environment it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from kubespawner import KubeSpawner

from tests.k8s.rendering import K8S, OVERLAYS, configuration, named, of_kind, overlay, rendered, workloads
from tests.k8s.servers import hub_variables, load_hub_configuration

each_overlay = pytest.mark.parametrize("name", OVERLAYS)


def replicas(name: str) -> dict[str, int]:
    """How many of each workload at least."""
    documents = overlay(name)
    scaled = {
        f"{each['metadata']['namespace']}/{each['spec']['scaleTargetRef']['name']}": each["spec"]["minReplicas"]
        for each in of_kind(documents, "HorizontalPodAutoscaler")
    }
    return {each.name: each.replicas for each in workloads(documents)} | scaled


@each_overlay
def test_everything_is_in_one_of_our_namespaces_or_is_the_clusters(name: str) -> None:
    cluster_wide = {"Namespace", "PersistentVolume", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}
    for each in overlay(name):
        namespace = each["metadata"].get("namespace")
        assert (namespace is None) == (each["kind"] in cluster_wide), each["metadata"]["name"]
        if namespace == "kube-system":
            assert each["kind"] in ("Role", "RoleBinding")
        else:
            assert namespace in (None, "jupyterhub", "jupyterhub-drill", "riskhub")


@each_overlay
def test_no_object_is_there_twice(name: str) -> None:
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in overlay(name)]
    assert len(names) == len(set(names))


@each_overlay
def test_the_hub_starts_with_what_the_overlay_gives_it(name: str) -> None:
    config = load_hub_configuration(hub_variables(name))
    assert issubclass(config.JupyterHub.spawner_class, KubeSpawner)
    assert config.JupyterHub.public_url.endswith("/")


def test_to_revoke_tokens_and_to_remove_anybody_is_for_departures_alone() -> None:
    config = load_hub_configuration(hub_variables("prod"))
    tokens = {each["name"]: each["api_token"] for each in config.JupyterHub.services}
    assert tokens.keys() >= {"riskhub", "riskhub-people"}
    scopes = {name: set(each["scopes"]) for each in config.JupyterHub.load_roles for name in each.get("services", [])}
    assert {name for name, held in scopes.items() if held & {"tokens", "delete:users", "admin:users"}} == {
        "riskhub-people"
    }
    reads = {"list:users", "read:users", "read:servers"}
    assert scopes["riskhub-people"] == {"tokens", "delete:servers", "delete:users", *reads}


def test_people_log_in_by_sso_but_for_dev() -> None:
    classes = {name: load_hub_configuration(hub_variables(name)).JupyterHub.authenticator_class for name in OVERLAYS}
    assert classes == {
        "local": "generic-oauth",
        "dev": "shared-password",
        "uat": "generic-oauth",
        "prod": "generic-oauth",
    }


@pytest.mark.parametrize("name", ["uat", "prod"])
def test_the_local_login_is_refused_where_real_users_are(name: str) -> None:
    variables = {**hub_variables(name), "HUB_AUTHENTICATION": "local", "HUB_LOCAL_PASSWORD": "x" * 12}
    with pytest.raises(SystemExit, match="refused in uat and prod"):
        load_hub_configuration(variables)


def test_each_environment_has_its_own_sso_bucket_and_roles() -> None:
    seen: set[str] = set()
    for name in ("dev", "uat", "prod"):
        hub = configuration(overlay(name), "platform", "jupyterhub")["data"]
        runs = configuration(overlay(name), "platform", "riskhub")["data"]
        own = {hub["CORPORATE_AUTH_URL"], hub["RISK_API_URL"], runs["S3_BACKUP_BUCKET"], runs["AWS_BACKUP_ROLE_ARN"]}
        assert not own & seen
        assert hub["RISKHUB_ENVIRONMENT"] == name
        seen |= own


def test_dev_and_its_node_run_one_of_each_with_every_log_line() -> None:
    for name in ("dev", "local"):
        counted = replicas(name)
        assert counted.pop("jupyterhub/management-api") == 0
        assert set(counted.values()) == {1}
        assert hub_variables(name)["HUB_LOG_LEVEL"] == "DEBUG"


def test_prod_runs_several_of_all_that_can_be_several() -> None:
    counted = replicas("prod")
    one = {"jupyterhub/hub", "jupyterhub/proxy", "riskhub/redis", "riskhub/prefect-services", "jupyterhub/image-puller"}
    one.add("riskhub/pulse-watch")
    assert {name for name, number in counted.items() if number == 1} == one
    assert counted["riskhub/prefect-server"] >= 3
    assert counted["riskhub/prefect-worker"] >= 3


def test_where_an_autoscaler_decides_no_manifest_says_how_many() -> None:
    for name in ("uat", "prod"):
        assert "replicas" not in named(overlay(name), "Deployment", "prefect-server")["spec"]


@pytest.mark.parametrize(("name", "more"), [("local", False), ("dev", False), ("uat", True), ("prod", True)])
def test_uat_and_prod_offer_more_metrics_than_the_hubs(name: str, *, more: bool) -> None:
    documents = overlay(name)
    service = named(documents, "Service", "hub")["metadata"]["annotations"]
    assert service["prometheus.io/path"] == "/hub/metrics"
    for workload, path, port in (("proxy", "/metrics", "8002"), ("prefect-server", "/api/metrics", "4200")):
        template = named(documents, "Deployment", workload)["spec"]["template"]
        annotations = template["metadata"].get("annotations", {})
        assert (annotations.get("prometheus.io/path"), annotations.get("prometheus.io/port")) == (
            (path, port) if more else (None, None)
        )
        if more:
            ports = {each["containerPort"] for each in template["spec"]["containers"][0]["ports"]}
            assert int(port) in ports


@pytest.mark.parametrize("name", ["dev", "uat", "prod"])
def test_what_the_account_gives_has_its_form_zeros_where_it_is_not_made_yet(name: str) -> None:
    documents = overlay(name)
    for volume in of_kind(documents, "PersistentVolume"):
        assert re.fullmatch(r"fs-[0-9a-f]{17}::fsap-[0-9a-f]{17}", volume["spec"]["csi"]["volumeHandle"])
    runs = configuration(documents, "platform", "riskhub")["data"]
    handles = {each["spec"]["csi"]["volumeHandle"].partition(":")[0] for each in of_kind(documents, "PersistentVolume")}
    assert handles == {runs["EFS_FILE_SYSTEM_ID"]}
    roles = [runs["AWS_BACKUP_ROLE_ARN"]] + [
        account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for account in of_kind(documents, "ServiceAccount")
        if "annotations" in account["metadata"]
    ]
    assert len(roles) == 5
    assert all(re.fullmatch(r"arn:aws:iam::[0-9]{12}:role/[a-z-]+", role) for role in roles)


def test_the_node_needs_nothing_of_aws() -> None:
    documents = overlay("local")
    assert of_kind(documents, "Ingress") == []
    folders = [each["spec"]["hostPath"]["path"] for each in of_kind(documents, "PersistentVolume")]
    assert folders == ["/mnt/riskhub/efs"] * 3
    assert named(documents, "Service", "proxy-public")["spec"]["clusterIP"] == "10.96.0.80"
    assert named(documents, "Service", "prefect-server")["spec"]["clusterIP"] == "10.96.0.42"


def test_a_changed_configuration_starts_a_new_hub() -> None:
    """The names of its ConfigMaps carry the hash of their content, and its pod names them."""
    (volume,) = [
        each
        for each in named(overlay("prod"), "Deployment", "hub")["spec"]["template"]["spec"]["volumes"]
        if "configMap" in each
    ]
    assert (
        volume["configMap"]["name"]
        == configuration(overlay("prod"), "hub-configuration", "jupyterhub")["metadata"]["name"]
    )
    assert volume["configMap"]["name"] != "hub-configuration"


def test_flow_runs_find_their_variables_by_a_name_that_never_changes() -> None:
    for name in OVERLAYS:
        assert named(overlay(name), "ConfigMap", "platform", "riskhub")


def test_the_base_can_be_aimed_at_another_namespace(tmp_path: Path) -> None:
    """A recovery drill deploys the Hub beside the Hub."""
    base = os.path.relpath(K8S / "base", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(f"namespace: jupyterhub-drill\nresources: [{base}]\n")
    documents = rendered(str(tmp_path))
    assert {each["metadata"].get("namespace") for each in documents} == {None, "jupyterhub-drill"}
    assert named(documents, "Namespace", "jupyterhub-drill")
    subjects = {
        binding["metadata"]["name"]: (binding["subjects"][0]["namespace"], binding["subjects"][0]["name"])
        for binding in of_kind(documents, "RoleBinding")
    }
    assert subjects == {"hub": ("jupyterhub-drill", "hub"), "runbook": ("riskhub", "runbook")}
