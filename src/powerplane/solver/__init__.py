"""What should be: a Problem in, a Result out."""
