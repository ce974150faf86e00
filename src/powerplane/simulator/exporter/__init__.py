"""What sensors say, served as real exporters serve it, so that a real Prometheus can scrape it."""

from powerplane.simulator.exporter.serving import Measuring, Served, serve

__all__ = ["Measuring", "Served", "serve"]
