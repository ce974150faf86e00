"""Carries a PlacementPlan out, wave by wave, and proves that it did."""
