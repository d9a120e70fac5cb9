"""The Risk Platform for notebooks: its API as pandas objects, one plot style, and figures that machines can read."""

from risk_platform_client.api import RiskPlatformAPI, RiskPlatformError
from risk_platform_client.reporting import emit_figures, require
from risk_platform_client.style import PALETTE, use_house_style

__all__ = ["PALETTE", "RiskPlatformAPI", "RiskPlatformError", "emit_figures", "require", "use_house_style"]
