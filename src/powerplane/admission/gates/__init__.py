"""Gates: pods that wait for watts, and who lets them go."""
