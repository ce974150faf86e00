"""Demand: what workloads will draw, as quantiles of what they drew, alone and together."""
