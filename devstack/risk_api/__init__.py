"""The Risk Platform API stand-in: real market data, three portfolios, read-only.

It reads the data files of the `skfolio` and `arch` wheels and never imports either package.
"""
