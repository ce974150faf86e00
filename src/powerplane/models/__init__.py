"""What is: pure data and physics."""
