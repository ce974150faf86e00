"""A cluster with physics: power, lag, breakers."""
