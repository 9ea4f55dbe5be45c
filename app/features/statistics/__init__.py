"""How the service is used: figures for Prometheus and for people."""
