"""Where a command's flow runs."""

from __future__ import annotations

from cli.prefect_session import answers


def test_a_prefect_that_is_not_there_does_not_answer() -> None:
    assert not answers("http://127.0.0.1:9/api")
