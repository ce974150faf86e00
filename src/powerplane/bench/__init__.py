"""Baselines, generated clusters, measurements."""
