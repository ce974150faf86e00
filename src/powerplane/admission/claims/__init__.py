"""Power claims: domains as shared devices, and what pods claim of them."""
