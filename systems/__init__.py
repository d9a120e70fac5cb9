"""The real things, one module each, plain Python without Prefect."""
