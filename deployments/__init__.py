"""What runs when and where: the work pool, its job template, and the registration of prefect.yaml's deployments."""
