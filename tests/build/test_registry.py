"""Logins and pushes: ECR's token from AWS (emulated by moto), and passwords that nobody else sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from build.engines import Buildah, Credentials
from build.images import Image
from build.registry import find_credentials, push_image
from domain.errors import Failed, Refused, Unreachable
from tests.build.conftest import Calls

ECR = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"
PASSWORD = "a-password-of-this-test"


def image(*, dirty: bool = False) -> Image:
    return Image(
        component="proxy",
        name="localhost/riskhub/proxy",
        tag="0123456789ab-01234567",
        id="sha256:" + "1" * 64,
        revision="0123456789ab" + "0" * 28,
        dirty=dirty,
        lock_sha256="0" * 64,
        base="base",
        built=True,
        seconds=1.0,
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.mark.parametrize("registry", [ECR, f"{ECR}/platform", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"])
def test_ecr_is_logged_in_to_with_a_token_from_aws(registry: str, aws: None) -> None:
    with mock_aws():
        credentials = find_credentials(registry, {})
    assert credentials is not None
    assert credentials.user == "AWS"
    assert credentials.password.endswith("auth-token")  # moto's own, prefixed by the account


def test_aws_that_gives_no_token_is_refused_with_the_right_it_takes(aws: None) -> None:
    @set_initial_no_auth_action_count(0)
    def ask() -> None:
        with pytest.raises(Refused, match=r"security token.*ecr:GetAuthorizationToken"):
            find_credentials(ECR, {})

    with mock_aws():
        ask()


def test_a_shell_without_credentials_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Refused, match="Unable to locate credentials"):
        find_credentials(ECR, {})


def test_aws_that_does_not_answer_is_worth_a_retry(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unreachable, match="AWS gives no token"):
        find_credentials(ECR, {})


@pytest.mark.parametrize("registry", ["registry.example.org", "ecr.example.org/dkr.ecr.eu-west-2.amazonaws.com"])
def test_another_registry_takes_the_login_of_the_variables(registry: str) -> None:
    variables = {"RISKHUB_REGISTRY_USER": "ci", "RISKHUB_REGISTRY_PASSWORD": PASSWORD}
    assert find_credentials(registry, variables) == Credentials("ci", PASSWORD)


def test_without_a_login_the_engines_own_counts() -> None:
    assert find_credentials("registry.example.org", {}) is None


def test_half_a_login_is_refused_by_the_name_of_the_other_half() -> None:
    with pytest.raises(Refused, match="RISKHUB_REGISTRY_PASSWORD is not set"):
        find_credentials("registry.example.org", {"RISKHUB_REGISTRY_USER": "ci"})


def test_a_push_is_known_by_the_digest_the_registry_has(recorded: Calls) -> None:
    made = push_image(image(), Buildah(), "registry.example.org/platform", None)
    assert made.model_dump(exclude_none=True) == {
        "name": "riskhub/proxy",
        "newName": "registry.example.org/platform/riskhub/proxy",
        "digest": "sha256:" + "d" * 64,
    }
    assert recorded()[-1]["argv"][-1] == "docker://registry.example.org/platform/riskhub/proxy:0123456789ab-01234567"


def test_a_password_goes_over_stdin_and_nowhere_else(recorded: Calls, tmp_path: Path) -> None:
    push_image(image(), Buildah(), "registry.example.org", Credentials("ci", PASSWORD))
    calls = recorded()
    assert [call["stdin"] for call in calls] == [PASSWORD, ""]
    assert PASSWORD not in str([call["argv"] for call in calls])
    assert all(PASSWORD not in log.read_text() for log in (tmp_path / "state").rglob("*.log"))
    assert PASSWORD not in repr(Credentials("ci", PASSWORD))


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ("Error: authenticating creds: unauthorized: authentication required", Refused),
        ('Error: logging into "registry.example.org": invalid username/password', Refused),
        ("no basic auth credentials", Refused),  # docker
        ("Error: invalid status code from registry 403 (Forbidden)", Refused),
        ("Error: dial tcp 127.0.0.1:5000: connect: connection refused", Unreachable),
        ("Error: no space left on device", Failed),
    ],
)
@pytest.mark.parametrize("step", ["login", "push"])
def test_a_registry_that_says_no_and_one_that_says_nothing_are_told_apart(
    step: str, says: str, error: type[Exception], recorded: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_FAILS", step)
    monkeypatch.setenv("ENGINE_SAYS", f"{says} {PASSWORD}" if step == "login" else says)
    with pytest.raises(error) as told:
        push_image(image(), Buildah(), "registry.example.org", Credentials("ci", PASSWORD))
    assert type(told.value) is error
    assert PASSWORD not in str(told.value)


def test_an_image_of_changes_in_no_commit_is_never_pushed(recorded: Calls) -> None:
    with pytest.raises(Refused, match="in no commit"):
        push_image(image(dirty=True), Buildah(), "registry.example.org", None)
    assert recorded() == []
