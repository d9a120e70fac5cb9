"""Probes: one look at one part of the platform each, and all the looks an environment asks for.

A probe tells what it sees as a `Finding`; what several of them mean together is decided in `plans.health`.
"""

from systems.probes.look import Probe, Seen, carry_out
from systems.probes.platform import probes_of, session_probe

__all__ = ["Probe", "Seen", "carry_out", "probes_of", "session_probe"]
