"""What workloads do, and how much of it a watt does."""
