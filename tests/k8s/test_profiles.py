"""User environments: what each SSO group may start, and what a server of each profile can do."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubespawner.slugs import escape_slug

from environments.loader import FOLDER
from systems.homes import home_name
from tests.k8s.servers import Known, Start, find_server, hub_variables, load_hub_configuration, start_server

GI = 2**30


def notebook(start: Start) -> dict[str, Any]:
    container: dict[str, Any] = start.pod["spec"]["containers"][0]
    return container


def environment(start: Start) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in notebook(start)["env"]}


def mounts(start: Start) -> dict[str, tuple[str, bool]]:
    """Mount path to (folder on the file system, may it be written)."""
    return {each["mountPath"]: (each["subPath"], not each.get("readOnly")) for each in notebook(start)["volumeMounts"]}


@pytest.mark.parametrize(
    ("groups", "profile"),
    [
        (("business-users",), "business-user"),
        (("data-scientists",), "data-scientist"),
        (("business-users", "data-scientists"), "data-scientist"),
        (("platform-admins",), "data-scientist"),
        ((), "business-user"),
        (("accountants",), "business-user"),
    ],
)
def test_who_does_not_choose_gets_the_best_profile_of_their_groups(groups: tuple[str, ...], profile: str) -> None:
    assert start_server("prod", groups, {}).pod["metadata"]["labels"]["riskhub.dev/profile"] == profile


@pytest.mark.parametrize("groups", [("data-scientists",), ("platform-admins",)])
def test_data_scientists_and_admins_may_start_the_small_profile_too(groups: tuple[str, ...]) -> None:
    start = start_server("prod", groups, {"profile": "business-user"})
    assert start.pod["metadata"]["labels"]["riskhub.dev/profile"] == "business-user"


@pytest.mark.parametrize("groups", [("business-users",), ()])
def test_a_forged_request_does_not_give_a_profile_that_the_group_lacks(groups: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="No such profile: data-scientist"):
        start_server("prod", groups, {"profile": "data-scientist"})


def test_a_forged_option_changes_nothing_of_the_pod() -> None:
    forged = {"image": "evil", "service_account": "hub", "mem_limit": "64G", "profile": "business-user"}
    plain = start_server("prod", ("business-users",), {"profile": "business-user"})
    assert start_server("prod", ("business-users",), forged).pod == plain.pod


def test_a_business_user_reads_what_is_shared_and_writes_only_home() -> None:
    start = start_server("prod", ("business-users",), {})
    assert mounts(start) == {
        "/home/jovyan": ("user-data/ana", True),
        "/shared/notebooks": ("notebooks", False),
        "/shared/data": ("data", False),
        "/shared/libs": ("libs", False),
    }
    assert notebook(start)["resources"]["limits"] == {"cpu": 2.0, "memory": 4 * GI}
    assert start.pod["spec"]["serviceAccountName"] == "business-user"
    token = {"secretKeyRef": {"name": "hub", "key": "risk_api_token_business_user"}}
    assert environment(start)["RISK_API_TOKEN"] == token


def test_a_data_scientist_writes_shared_data_and_libraries_and_has_a_role_of_their_own() -> None:
    start = start_server("prod", ("data-scientists",), {})
    assert mounts(start) == {
        "/home/jovyan": ("user-data/ana", True),
        "/shared/notebooks": ("notebooks", False),
        "/shared/data": ("data", True),
        "/shared/libs": ("libs", True),
    }
    assert notebook(start)["resources"]["limits"] == {"cpu": 4.0, "memory": 8 * GI}
    assert start.pod["spec"]["serviceAccountName"] == "data-scientist"
    token = {"secretKeyRef": {"name": "hub", "key": "risk_api_token_data_scientist"}}
    assert environment(start)["RISK_API_TOKEN"] == token


@pytest.mark.parametrize("name", ["local", "dev", "uat", "prod"])
def test_every_shared_folder_of_a_server_is_one_that_is_mirrored(name: str) -> None:
    homes = tomllib.loads((FOLDER / f"{name}.toml").read_text())["homes"]
    mounted = {path: folder for path, (folder, _) in mounts(start_server(name, (), {})).items()}
    del mounted["/home/jovyan"]
    assert mounted == {f"/shared/{folder}": folder for folder in homes["shared"]}


@pytest.mark.parametrize("profile", ["business-user", "data-scientist"])
def test_an_admin_keeps_their_own_rights_in_either_profile(profile: str) -> None:
    start = start_server("prod", ("platform-admins",), {"profile": profile})
    assert start.pod["spec"]["serviceAccountName"] == "platform-admin"
    assert environment(start)["RISK_API_TOKEN"] == {"secretKeyRef": {"name": "hub", "key": "risk_api_token"}}


@pytest.mark.parametrize("name", ["local", "dev", "uat", "prod"])
def test_what_a_server_is_guaranteed_is_the_overlays_and_its_limits_are_everywhere_the_same(name: str) -> None:
    guarantees = json.loads(hub_variables(name)["HUB_PROFILE_GUARANTEES"])
    units = {"M": 2**20, "G": GI}
    for profile, (cpu, memory) in {"business-user": (2.0, 4 * GI), "data-scientist": (4.0, 8 * GI)}.items():
        resources = notebook(start_server(name, ("data-scientists",), {"profile": profile}))["resources"]
        assert resources["limits"] == {"cpu": cpu, "memory": memory}
        promised = guarantees[profile]["memory"]
        assert resources["requests"] == {
            "cpu": guarantees[profile]["cpu"],
            "memory": int(promised[:-1]) * units[promised[-1]],
        }


def test_another_profile_leaves_nothing_of_the_one_before() -> None:
    """KubeSpawner merges dictionaries of a profile into what the spawner object has from its last start."""
    options = {"profile": "business-user"}
    first = start_server("prod", ("data-scientists",), options)
    again = start_server("prod", ("data-scientists",), {"profile": "data-scientist"}, options)
    assert again.pod == first.pod


LOST = {"terminated": {"exitCode": 255, "reason": "Unknown"}}
UP = {"running": {}}


def status(state: dict[str, Any], address: str | None = "10.0.0.9") -> dict[str, Any]:
    """Of a server's pod that runs as a whole."""
    container = {"name": "notebook", "ready": state == UP, "state": state}
    return {"phase": "Running", "containerStatuses": [container], **({"podIP": address} if address else {})}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (UP, None),
        (LOST, None),
        ({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, None),
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, 0),
    ],
)
def test_a_server_that_its_node_starts_again_lives_and_one_that_was_shut_down_does_not(state, code) -> None:
    assert find_server("prod", status(state), status(UP)).exit_code == code


def test_a_server_that_was_evicted_has_stopped() -> None:
    evicted = {**status({"terminated": {"exitCode": 137, "reason": "Error"}}), "phase": "Failed"}
    assert find_server("prod", evicted, status(UP)).exit_code == 137


def test_the_hub_looks_for_a_server_that_comes_back_where_it_is_then() -> None:
    starting = {"waiting": {"reason": "PodInitializing"}}
    statuses = (status(LOST, "10.0.0.4"), status(LOST, None), status(starting), status(UP))
    assert find_server("prod", *statuses) == Known(None, "http://10.0.0.9:8888")


def test_the_environment_of_a_server_is_in_place() -> None:
    found = environment(start_server("uat", ("business-users",), {}))
    assert found["HOME"] == "/home/jovyan"
    assert found["PYTHONPATH"] == "/shared/libs"
    assert found["RISK_API_URL"] == "https://risk-api.uat.example.org"


@given(st.text(min_size=1, max_size=60))
@example("Bea.O'Neil@example.org")
@example("fred.o'neil@example.org")
@example("çağrı")
@example("..")
def test_every_home_is_called_as_the_runbook_calls_it(user: str) -> None:
    assert escape_slug(user) == home_name(user)


@pytest.mark.parametrize("user", ["ana", "Bea.O'Neil@example.org", "9to5", "a-b", "é", "..", "x" * 200])
def test_a_home_is_mounted_by_the_name_that_restores_rely_on(user: str) -> None:
    start = start_server("prod", ("business-users",), {}, user=user)
    assert mounts(start)["/home/jovyan"][0] == f"user-data/{home_name(user)}"


@pytest.mark.parametrize("user", ["ana", "Bea.O'Neil@example.org", "9to5", "a-b", "é", "..", "x" * 200])
def test_pods_of_two_profiles_never_share_the_name_that_policies_go_by(user: str) -> None:
    """AWS's policy agent cuts a pod's name at its last dash."""
    names = {
        profile: start_server("prod", ("data-scientists",), {"profile": profile}, user=user).pod_name
        for profile in ("business-user", "data-scientist")
    }
    for profile, name in names.items():
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
        assert len(name) <= 63
        assert name.rpartition("-")[0].startswith(profile)


def test_two_users_never_have_one_pod_name() -> None:
    users = ["ana", "Ana", "a-na", "a.na", "a--na", "ana-", "bea.o'neil@example.org", "bea-o-neil-example-org"]
    names = [start_server("prod", ("business-users",), {}, user=user).pod_name for user in users]
    assert len(set(names)) == len(users)


def test_a_hub_without_its_user_images_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    variables = hub_variables("prod")
    variables["IMAGE_DATA_SCIENTIST"] = ""
    with pytest.raises(SystemExit, match="IMAGE_DATA_SCIENTIST is not set"):
        load_hub_configuration(variables)
