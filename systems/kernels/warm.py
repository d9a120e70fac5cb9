"""Warm kernels: forked by papermill's process, which is itself a fork of the warm parent, and used by jupyter_client.

Each notebook has a papermill process of its own, whose first act is to fork the kernel that it will ask for; both end
with the notebook. A kernel of another language, or a second one, is started as always.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from systems.kernels.papermill_process import limit_memory

PROVISIONER = "riskhub-warm"  # its entry point's name in pyproject.toml
_LAUNCHER = "ipykernel_launcher"
_DIES_WITH_ITS_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_here = multiprocessing.get_context("fork")


def settle_in(environment: Mapping[str, str], folder: str, log: str) -> None:
    """Turn a forked process into one as if newly started: its own session, variables, folder and output."""
    os.setsid()
    _move_to(environment, folder)
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())


def _move_to(environment: Mapping[str, str], folder: str) -> None:
    """Give this process these variables and no others, and this folder."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)


class WaitingKernel:
    """A kernel to be, forked and waiting; once begun as jupyter_client handles a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, told: Connection, memory: int | None) -> None:
        order, self._order = _here.Pipe(duplex=False)
        self._process = _here.Process(target=_serve_kernel, args=(order, (self._order, told), memory))
        self._process.start()
        order.close()
        self.pid = self._process.pid or 0

    def begin(self, arguments: list[str], environment: Mapping[str, str], folder: str) -> None:
        """Let it serve."""
        self._order.send((arguments, environment, folder))
        self._order.close()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Its exit code, once it has ended."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to it alone."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it."""
        self._process.kill()


class WarmProvisioner(LocalProvisioner):
    """The kernel that waits, for the first notebook of this Python that asks; the others are started as always."""

    told: ClassVar[Connection]
    waiting: ClassVar[WaitingKernel | None] = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """As `LocalProvisioner`."""
        kernel, WarmProvisioner.waiting = self.waiting, None
        if kernel and _LAUNCHER in cmd:
            folder = str(kwargs.get("cwd") or Path.cwd())
            kernel.begin(cmd[cmd.index(_LAUNCHER) + 1 :], kwargs.get("env") or os.environ.copy(), folder)
            self.process = kernel  # type: ignore[assignment]
            self.pid, self.pgid, self.cwd = kernel.pid, kernel.pid, folder
        else:
            await super().launch_kernel(cmd, **kwargs)
        self.told.send(("kernel", self.pid))
        return self.connection_info

    async def shutdown_requested(self, restart: bool = False) -> None:
        """As `LocalProvisioner`; before the kernel goes, what it took at most is told."""
        self.told.send(("memory", _peak_memory(self.pid or 0)))
        await super().shutdown_requested(restart)


def use_warm_kernel(told: Connection, memory: int | None) -> None:
    """Let this process, which has one thread yet, fork its kernel; process id and peak memory in bytes go to `told`."""
    WarmProvisioner.told, WarmProvisioner.waiting = told, WaitingKernel(told, memory)
    KernelProvisionerFactory.instance().default_provisioner_name = PROVISIONER


def _serve_kernel(order: Connection, of_the_parent: tuple[Connection, ...], memory: int | None) -> None:
    """An IPython kernel as `python -m ipykernel_launcher` starts it, but for the imports that are done."""
    os.setsid()
    ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
    for connection in of_the_parent:
        connection.close()
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - of the kernel's process alone

    try:
        arguments, environment, folder = order.recv()
    except EOFError:
        return  # nobody asked for it
    order.close()
    _move_to(environment, folder)
    limit_memory(memory)
    # what multiprocessing made of this process is not the notebook's
    multiprocessing.set_start_method(None, force=True)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else each fork would draw the same numbers
    sys.argv = [_LAUNCHER, *arguments]
    IPKernelApp.launch_instance(argv=arguments)


def _peak_memory(pid: int) -> int | None:
    """Bytes of a process's largest resident set, shared pages with it; None where nobody can tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
