"""The objects of powerplane.dev/v1alpha1: their types, and what they mean together."""
