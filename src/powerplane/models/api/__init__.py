"""PowerPlane's own objects of the Kubernetes API, group ``powerplane.dev/v1alpha1``."""
