"""Environment files: what is wrong is said, what is secret is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.errors import Refused
from environments import load_environment
from environments.alerts import AlertsSettings
from environments.loader import FOLDER

VARIABLES = {
    "JUPYTERHUB_API_URL": "http://hub:8081/hub/api",
    "JUPYTERHUB_PUBLIC_URL": "https://hub.example",
    "JUPYTERHUB_API_TOKEN": "s3cr3t-hub-token",
    "HUB_DATABASE_URL": "postgresql://hub:s3cr3t-password@db/hub",
    "EFS_MOUNT_POINT": "/mnt/efs",
    "EFS_FILE_SYSTEM_ID": "fs-1",
    "S3_BACKUP_BUCKET": "riskhub-backup",
    "AWS_REGION": "eu-west-1",
    "AWS_BACKUP_ROLE_ARN": "arn:aws:iam::123456789012:role/backup",
    "RISK_API_URL": "https://risk.example",
    "RISK_API_TOKEN": "s3cr3t-risk-token",
    "PREFECT_API_URL": "https://prefect.example/api",
    "PREFECT_UI_URL": "https://prefect.example",
    "CLUSTER_IDENTITY": "4fb4836a-5bd3-4875-bf36-0d83e977aabc",
}
BACKUP_KEY = "s3cr3t-" + "A" * 36 + "="
OPTIONAL = (
    "JUPYTERHUB_PEOPLE_TOKEN",
    "AWS_BACKUP_COPY_REGION",
    "KUBECONFIG",
    "CLUSTER_CONTEXT",
    "CLUSTER_OVERLAY",
    "CONFIGURATION_BACKUP_KEY",
    "POSTGRES_TOOLS",
    "HUB_SPAWN_DEADLINE",
    "SYNTHETIC_USER_LOGIN",
    "SYNTHETIC_USER_PASSWORD",
    "CORPORATE_AUTH_URL",
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET",
)
EMULATED = ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "AWS_CONTROL_ENDPOINT_URL")


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RISKHUB_STATE", str(tmp_path / "state"))
    for name in (*OPTIONAL, *EMULATED):
        monkeypatch.delenv(name, raising=False)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in FOLDER.glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def altered(folder: Path, name: str, before: str, after: str) -> Path:
    path = folder / f"{name}.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return folder


@pytest.mark.parametrize("name", ["dev", "uat", "prod"])
def test_a_platforms_variables_make_its_environment_whole(name: str) -> None:
    loaded = load_environment(name)
    assert (loaded.name, loaded.hub.authentication) == (name, "sso")
    assert loaded.hub.api_token.get_secret_value() == "s3cr3t-hub-token"


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused, match=r"there is no such environment.*local, dev, uat, prod"):
        load_environment("staging")


def test_a_path_is_not_an_environment() -> None:
    with pytest.raises(Refused, match="there is no such environment"):
        load_environment("../dev")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="its file is missing"):
        load_environment("dev", tmp_path)


def test_a_malformed_file_is_refused_with_the_line(folder: Path) -> None:
    altered(folder, "dev", "[homes]", "[homes")
    with pytest.raises(Refused, match=r"not valid TOML.*line \d+"):
        load_environment("dev", folder)


def test_a_file_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "dev.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="not valid TOML"):
        load_environment("dev", folder)


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_variable_is_named(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISK_API_TOKEN")
    if value is not None:
        monkeypatch.setenv("RISK_API_TOKEN", value)
    with pytest.raises(Refused, match=r"variable RISK_API_TOKEN is not set. Next: set it and run again"):
        load_environment("dev")


def test_without_the_embedded_stack_the_next_step_is_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RISK_API_TOKEN")
    with pytest.raises(Refused, match="riskhub stack up"):
        load_environment("local")


def test_an_unknown_key_is_refused_by_its_name(folder: Path) -> None:
    altered(folder, "dev", "idle = 3600", "idel = 3600")
    with pytest.raises(Refused, match=r"culling\.idel"):
        load_environment("dev", folder)


@pytest.mark.parametrize("name", ["uat", "prod"])
def test_local_login_is_refused_where_people_work(name: str, folder: Path) -> None:
    altered(folder, name, "[hub]", '[hub]\nauthentication = "local"')
    with pytest.raises(Refused, match=f"'local' is refused in {name}"):
        load_environment(name, folder)


def test_local_login_is_allowed_in_development(folder: Path) -> None:
    altered(folder, "dev", "[hub]", '[hub]\nauthentication = "local"')
    assert load_environment("dev", folder).hub.authentication == "local"


def test_keys_of_the_object_store_come_in_pairs(folder: Path) -> None:
    altered(folder, "uat", "[objects]", '[objects]\naccess_key_id = "s3cr3t-key"')
    with pytest.raises(Refused, match="go together") as refused:
        load_environment("uat", folder)
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize("variable", ["JUPYTERHUB_API_URL", "S3_BACKUP_BUCKET", "RISK_API_URL"])
def test_a_bad_value_is_not_quoted_in_the_message(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "s3cr3t IN THE WRONG PLACE")
    with pytest.raises(Refused) as refused:
        load_environment("dev")
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize("name", ["local", "dev", "uat", "prod"])
def test_the_token_of_departures_may_be_absent_and_counts_when_it_is_set(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (*EMULATED, "POSTGRES_TOOLS", "AWS_CONTROL_ACCESS_KEY_ID", "AWS_CONTROL_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(each, "http://127.0.0.1:1")
    assert load_environment(name).hub.people_token is None
    monkeypatch.setenv("JUPYTERHUB_PEOPLE_TOKEN", "s3cr3t-people-token")
    hub = load_environment(name).hub
    assert hub.people_token and hub.people_token.get_secret_value() == "s3cr3t-people-token"
    assert hub.api_token.get_secret_value() == "s3cr3t-hub-token"


def test_secrets_print_as_stars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_PEOPLE_TOKEN", "s3cr3t-people-token")
    loaded = load_environment("prod")
    assert "s3cr3t" not in repr(loaded) + str(loaded) + loaded.model_dump_json()


def test_the_stacks_own_values_come_before_the_process_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ("POSTGRES_TOOLS", "S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    control = ("AWS_CONTROL_ENDPOINT_URL", "AWS_CONTROL_ACCESS_KEY_ID", "AWS_CONTROL_SECRET_ACCESS_KEY")
    values = dict.fromkeys((*names, *control), "http://127.0.0.1:1") | {"S3_BACKUP_BUCKET": "from-the-stack"}
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "values.env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    for name in values:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("S3_BACKUP_BUCKET", "from-the-process")
    assert load_environment("local").objects.bucket == "from-the-stack"
    assert load_environment("local").risk_api.url == "https://risk.example"


def test_a_variable_that_may_be_absent_leaves_its_key_out() -> None:
    dev = load_environment("dev")
    assert dev.objects.endpoint_url is None and dev.objects.access_key_id is None
    assert not dev.aws.emulated
    assert dev.cluster is not None and dev.cluster.kubeconfig is None and dev.cluster.overlay is None


def test_a_variable_that_may_be_absent_counts_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_OVERLAY", "local")
    monkeypatch.setenv("AWS_CONTROL_ENDPOINT_URL", "http://127.0.0.1:9050")
    dev = load_environment("dev")
    assert dev.cluster is not None and dev.cluster.overlay == "local"
    assert dev.aws.emulated


def test_what_is_left_out_is_left_out_of_lists_and_of_longer_texts_too(folder: Path) -> None:
    altered(folder, "dev", "idle = 3600", 'idle = 3600\nexempt = ["${NOBODY?}", "ana", "${NOBODY?}-too"]')
    assert load_environment("dev", folder).culling.exempt == ("ana",)


def test_a_key_that_must_be_there_is_missed_when_its_variable_is_left_out(folder: Path) -> None:
    altered(folder, "dev", "${S3_BACKUP_BUCKET}", "${NOBODY?}")
    with pytest.raises(Refused, match=r"objects\.bucket: Field required"):
        load_environment("dev", folder)


def test_the_nodes_own_values_have_the_last_word_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert load_environment("dev").objects.bucket == "riskhub-backup"
    (tmp_path / "state" / "cluster").mkdir(parents=True)
    (tmp_path / "state" / "cluster" / "dev.env").write_text("S3_BACKUP_BUCKET=of-the-node\nCLUSTER_OVERLAY=local\n")
    dev = load_environment("dev")
    assert (dev.objects.bucket, dev.cluster and dev.cluster.overlay) == ("of-the-node", "local")
    assert load_environment("uat").objects.bucket == "riskhub-backup"


def test_an_environment_on_a_cluster_must_know_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLUSTER_IDENTITY")
    with pytest.raises(Refused, match="variable CLUSTER_IDENTITY is not set"):
        load_environment("prod")


@pytest.mark.parametrize("identity", ["kube-system", "4FB4836A-5BD3-4875-BF36-0D83E977AABC", ""])
def test_what_is_no_uid_is_no_identity(identity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_IDENTITY", identity)
    with pytest.raises(Refused, match=r"(?i)identity"):
        load_environment("dev")


@pytest.mark.parametrize("key", ["s3cr3t", "s3cr3t" * 8, "#" * 44])
def test_a_backup_key_that_is_no_fernet_key_is_refused_unquoted(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIGURATION_BACKUP_KEY", key)
    with pytest.raises(Refused, match=r"cluster\.backup_key: .*no Fernet key") as refused:
        load_environment("dev")
    assert key not in str(refused.value)


def test_an_overlay_is_a_name_and_not_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_OVERLAY", "../../etc")
    with pytest.raises(Refused, match=r"cluster\.overlay"):
        load_environment("dev")


def test_a_backup_key_prints_as_stars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIGURATION_BACKUP_KEY", BACKUP_KEY)
    assert "s3cr3t" not in repr(load_environment("dev")) + load_environment("dev").model_dump_json()


def test_a_copy_into_the_region_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BACKUP_COPY_REGION", "eu-west-2")
    assert load_environment("prod").aws.backup_copy_region == "eu-west-2"
    monkeypatch.setenv("AWS_BACKUP_COPY_REGION", VARIABLES["AWS_REGION"])
    with pytest.raises(Refused, match="a copy there is lost together with it"):
        load_environment("prod")


@pytest.mark.parametrize(
    ("shared", "cause"),
    [
        ('["data", "../user-data"]', r"homes\.shared\.1: String should match pattern"),
        ('["data", "user-data"]', "user-data is no folder that users share"),
        ('["data", "libs", "data"]', "a folder is named twice"),
    ],
)
def test_shared_folders_lie_beside_the_homes_each_once(shared: str, cause: str, folder: Path) -> None:
    altered(folder, "prod", 'shared = ["notebooks", "data", "libs"]', f"shared = {shared}")
    with pytest.raises(Refused, match=cause):
        load_environment("prod", folder)


def test_an_environment_that_names_no_shared_folders_has_none(folder: Path) -> None:
    altered(folder, "prod", 'shared = ["notebooks", "data", "libs"]', "")
    assert load_environment("prod", folder).homes.shared == ()


def test_an_alertmanager_is_named_without_a_password_and_windows_by_one_name_each() -> None:
    with pytest.raises(ValidationError, match="user or password"):
        AlertsSettings.model_validate({"url": "http://gita:secret@alerts:9093"})
    hold = {"name": "upgrade", "begins": "2026-11-28T11:00:00Z", "ends": "2026-11-28T13:00:00Z"}
    weekly = {"name": "upgrade", "when": {"days": ["sun"]}}
    with pytest.raises(ValidationError, match="two windows are called 'upgrade'"):
        AlertsSettings.model_validate({"windows": [hold], "weekly": [weekly]})
