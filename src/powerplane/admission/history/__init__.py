"""What workloads used before, read in a process apart."""
