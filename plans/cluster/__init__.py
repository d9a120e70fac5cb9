"""What a look at the cluster means: why a pod does not run, what is wrong and what only follows from it. Pure."""

from plans.cluster.diagnosis import diagnose, workload_causes

__all__ = ["diagnose", "workload_causes"]
