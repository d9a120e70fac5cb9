"""Probes: one look at one part of the platform each, and all the looks an environment asks for.

A probe tells what it sees as a `Finding`, and which kind of trouble it is; what several of them come down to is
decided in `plans.diagnosis`.
"""

from systems.probes.look import Probe, Seen, carry_out
from systems.probes.platform import probes_about, probes_of, quick_probes_of, session_probe

__all__ = ["Probe", "Seen", "carry_out", "probes_about", "probes_of", "quick_probes_of", "session_probe"]
