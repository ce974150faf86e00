"""From what is so to what sensors say: averaged, late, noisy, and wrong where a fault says so."""
