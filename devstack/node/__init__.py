"""A real one-node Kubernetes on this machine: API server, kubelet and containerd, built from Go modules.

The node lives in network, mount and process namespaces of its own, as a machine would. So pulling its plug is one
signal, and nothing of it stays on the host: no mount, no rule, no device, no process.
"""
