"""How good the watts are: models, quantiles, forecasts, and the speed of reading them."""
