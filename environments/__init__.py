"""Where things are: one file an environment, and the typed loader. Nobody else knows an address."""

from environments.loader import load_environment
from environments.settings import Environment, EnvironmentName

__all__ = ["Environment", "EnvironmentName", "load_environment"]
