"""Jupyter kernels: cells run on users' servers, and notebooks executed for reports."""
