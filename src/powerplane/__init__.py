"""PowerPlane: power-capped placement for Kubernetes."""
