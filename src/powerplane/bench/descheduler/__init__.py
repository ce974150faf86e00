"""Moves until budgets hold again after a cut: PowerPlane's plan beside descheduler's policies, simulated."""
