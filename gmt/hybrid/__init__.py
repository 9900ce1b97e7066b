"""Put the graph network and the posterior together."""
