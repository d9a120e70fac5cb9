"""Who may do what with the API server: the whole of it, written down."""

from __future__ import annotations

import pytest

from tests.k8s.rendering import OVERLAYS, of_kind, overlay

LOOK = frozenset({"list"})
SEEN_BY_THE_RUNBOOK = {
    "pods": LOOK,
    "services": LOOK,
    "events": LOOK,
    "persistentvolumeclaims": LOOK,
    "resourcequotas": LOOK,
    "configmaps": LOOK,
    "secrets": LOOK,  # a backup of the configuration holds them, sealed
    "pods/log": frozenset({"get"}),
    "apps/deployments": LOOK,
    "apps/statefulsets": LOOK,
    "apps/daemonsets": LOOK,
    "discovery.k8s.io/endpointslices": LOOK,
}

# account -> where ("" is the whole cluster) -> what -> verbs
RIGHTS = {
    "jupyterhub/hub": {
        "jupyterhub": {
            "pods": frozenset({"list", "watch", "create", "delete"}),
            "events": frozenset({"list", "watch"}),
        }
    },
    "riskhub/prefect-worker": {
        "riskhub": {
            "batch/jobs": frozenset({"get", "list", "watch", "create", "delete"}),
            "pods": frozenset({"list", "watch"}),
            "pods/log": frozenset({"get"}),
        }
    },
    "riskhub/runbook": {
        "jupyterhub": {**SEEN_BY_THE_RUNBOOK, "metrics.k8s.io/pods": LOOK},
        # of ConfigMaps it gets one, by name: what was deployed
        "riskhub": {**SEEN_BY_THE_RUNBOOK, "configmaps": frozenset({"list", "get"})},
        # where it drills, and where nobody's work is
        "jupyterhub-drill": {
            **{
                what: frozenset({"get", "list", "watch", "create", "patch", "delete"})
                for what in ("pods", "events", "services", "configmaps", "secrets", "serviceaccounts")
            },
            **{
                what: frozenset({"get", "list", "create", "patch", "delete"})
                for what in (
                    "apps/deployments",
                    "rbac.authorization.k8s.io/roles",
                    "rbac.authorization.k8s.io/rolebindings",
                    "networking.k8s.io/networkpolicies",
                )
            },
            "coordination.k8s.io/leases": frozenset({"get", "create", "patch", "delete"}),
            "pods/log": frozenset({"get"}),
            "apps/statefulsets": LOOK,
            "apps/daemonsets": LOOK,
        },
        "kube-system": {"pods": LOOK, "services": LOOK, "events": LOOK, "discovery.k8s.io/endpointslices": LOOK},
        "": {
            "namespaces": frozenset({"get"}),
            "nodes": LOOK,
            "metrics.k8s.io/nodes": LOOK,
        },
    },
}

Rights = dict[str, dict[str, dict[str, frozenset[str]]]]


def granted(name: str) -> Rights:
    """The rights of every account that a binding names."""
    documents = overlay(name)
    roles = {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each["rules"]
        for each in of_kind(documents, "Role", "ClusterRole")
    }
    found: Rights = {}
    for binding in of_kind(documents, "RoleBinding", "ClusterRoleBinding"):
        where, reference = binding["metadata"].get("namespace", ""), binding["roleRef"]
        for subject in binding["subjects"]:
            assert subject["kind"] == "ServiceAccount"
            of_account = found.setdefault(f"{subject['namespace']}/{subject['name']}", {}).setdefault(where, {})
            for rule in roles[reference["kind"], where, reference["name"]]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        what = f"{group}/{resource}".removeprefix("/")
                        of_account[what] = of_account.get(what, frozenset()) | frozenset(rule["verbs"])
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_accounts_have_the_rights_of_the_table_and_no_more(name: str) -> None:
    assert granted(name) == RIGHTS


@pytest.mark.parametrize("name", OVERLAYS)
def test_users_have_no_rights_at_all(name: str) -> None:
    users = {"jupyterhub/business-user", "jupyterhub/data-scientist", "jupyterhub/platform-admin"}
    assert not users & granted(name).keys()


@pytest.mark.parametrize("name", OVERLAYS)
def test_no_rule_has_a_wildcard(name: str) -> None:
    rules = [rule for each in of_kind(overlay(name), "Role", "ClusterRole") for rule in each["rules"]]
    assert not [rule for rule in rules if "*" in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}]


@pytest.mark.parametrize("name", OVERLAYS)
def test_of_configmaps_the_runbook_gets_the_deployment_alone(name: str) -> None:
    roles = [each for each in of_kind(overlay(name), "Role") if each["metadata"]["namespace"] == "riskhub"]
    (rule,) = [
        rule for role in roles for rule in role["rules"] if "configmaps" in rule["resources"] and "get" in rule["verbs"]
    ]
    assert rule["resourceNames"] == ["riskhub-deployment"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_of_namespaces_the_runbook_sees_three(name: str) -> None:
    (role,) = of_kind(overlay(name), "ClusterRole")
    (rule,) = [rule for rule in role["rules"] if rule["resources"] == ["namespaces"]]
    assert rule["resourceNames"] == ["kube-system", "jupyterhub", "riskhub"]
