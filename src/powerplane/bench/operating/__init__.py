"""The operator in a simulated cluster: recommender and actuator as they are, between them an API server of our own."""
