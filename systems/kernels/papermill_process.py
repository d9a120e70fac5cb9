"""The process that runs one notebook: papermill, and nothing of ours beside it.

It is run as a script, since papermill's change of directory is process-wide and a kernel that dies can leave
its parent in any state. The request comes as JSON on stdin; what happened goes to the file it names, because
the kernel inherits stdout and may write to it.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill  # type: ignore[import-untyped]
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError  # type: ignore[import-untyped]
from traitlets.config import Config

START_TIMEOUT = 30  # seconds; a start that takes longer never answers (1 in 200 on a busy machine)
START_ATTEMPTS = 2


def main() -> None:
    request = json.load(sys.stdin)
    Path(request["result"]).write_text(json.dumps({"problem": problem_of(request)}))


def problem_of(request: Mapping[str, Any]) -> str:
    """Execute; what went wrong in words, empty when nothing did. A cell's own error is in the notebook."""
    limit_memory(request["memory"])  # a kernel that is started from here has it too
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            papermill.execute_notebook(
                request["source"],
                request["output"],
                parameters=request["parameters"],
                cwd=request["folder"],
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_TIMEOUT,
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{request['sockets']}/kernel"}}),
            )
        except PapermillExecutionError as error:
            return f"cell {error.exec_count} raised {error.ename}"
        except DeadKernelError:
            return "the kernel died"
        except RuntimeError as error:
            # jupyter_client says so when a new kernel does not answer; no cell has run by then.
            if attempt == START_ATTEMPTS:
                return f"the kernel did not start: {error}"
        else:
            return ""
    raise AssertionError("the last attempt returns")


def limit_memory(limit: int | None) -> None:
    """Bound what this process and those it starts may allocate, in bytes: beyond it Python raises MemoryError."""
    if limit is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


if __name__ == "__main__":
    main()
