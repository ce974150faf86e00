"""Where watts come from: Prometheus, recorded scrapes, Redfish, metrics-server; and where nodes hang."""
