"""Models of watts: node curves fitted from telemetry, attribution to pods, power limits, heat."""
