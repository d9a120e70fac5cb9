"""The Kubernetes cluster: the way to it, its condition, manifests and what becomes of them, its configuration.

Importing this loads no Kubernetes client: `connect` does, when there is a cluster to talk to.
"""
