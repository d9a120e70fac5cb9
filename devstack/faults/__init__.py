"""Faults for the parts of the embedded stack, each injected into the real thing and taken back again."""

from devstack.faults.fault import Fault
from devstack.faults.matrix import FAULTS

__all__ = ["FAULTS", "Fault"]
