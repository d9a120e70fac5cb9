"""What a look at the cluster means: why a pod does not run, what is wrong and what only follows from it. Pure."""

from plans.cluster.areas import areas_of, workload_causes

__all__ = ["areas_of", "workload_causes"]
