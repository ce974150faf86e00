"""What is judged before it is stored: pods that can never fit, and our own objects."""
