"""Count what a gateway does, for Prometheus; with several processes their counts are added up."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED = "PROMETHEUS_MULTIPROC_DIR"
TIMES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class GatewayMetrics:
    """Hold the counters of one application; labels are of a fixed few values, and none names a user."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"gmt_{name}", what, labels, registry=self.registry)

        def times(name: str, what: str) -> Histogram:
            return Histogram(f"gmt_{name}_seconds", what, registry=self.registry, buckets=TIMES)

        self.requests = counter("requests", "Requests by path and status", "path", "status")
        self.answers = counter("answers", "Chat answers by model that gave them", "model")
        self.faults = counter("upstream_faults", "Answers that upstreams failed to give", "model", "kind")
        self.feedback = counter("feedback", "Feedback taken", "kind")
        self.stayed = counter("stayed", "Conversations that kept their model though another scores higher")
        self.explored = counter("explored", "Answers of a drawn challenger")
        self.encoding = times("encoding", "Turning new texts into vectors")
        self.deciding = times("decision", "Choosing a model, without encoding")
        self.first_byte = times("first_byte", "From request to first byte of an answer")

    def text(self) -> bytes:
        """Return all numbers in Prometheus's text form."""
        if not os.environ.get(SHARED):
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return generate_latest(together)
