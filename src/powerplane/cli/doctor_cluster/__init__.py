"""``powerplane doctor``: the parts about the cluster, each from what was read to findings."""
