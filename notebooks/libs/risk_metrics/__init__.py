"""Market risk measures. Returns are simple daily returns as fractions; losses are told as positive numbers."""

from risk_metrics.backtesting import KupiecTest, kupiec_pof
from risk_metrics.returns import drawdown, portfolio_returns, rolling_volatility, simple_returns
from risk_metrics.tail import gaussian_es, gaussian_var, historical_es, historical_var, rolling_historical_var

__all__ = [
    "KupiecTest",
    "drawdown",
    "gaussian_es",
    "gaussian_var",
    "historical_es",
    "historical_var",
    "kupiec_pof",
    "portfolio_returns",
    "rolling_historical_var",
    "rolling_volatility",
    "simple_returns",
]
