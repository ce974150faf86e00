"""Decides: watches budgets now and ahead, and says in a PlacementPlan which pods should move, or why none should."""
