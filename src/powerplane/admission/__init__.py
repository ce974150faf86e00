"""The webhook: watts and requests on new pods, and what may not be let in."""
