"""Share a local upstream and a gateway in front of it among the tests of the gateway."""

import contextlib
from dataclasses import replace

import pytest

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'gmt-router[serve]'")

from gmt.gateway.gateway import Gateway
from gmt.gateway.gateway_app import create_app
from gmt.gateway.pool_settings import GatewaySettings, Pool, RouterVariant, UpstreamModel
from gmt.gateway.served_run import ServedRun
from tests.gateway.upstreams import SECRET, Upstream, serving

A, B, C = "atlas-90b", "telegram-8b", "codewright-20b"


@pytest.fixture(scope="session")
def upstream_server():
    upstream = Upstream()
    with serving(upstream.app()) as url:
        yield upstream, url


@pytest.fixture
def upstream(upstream_server):
    upstream_server[0].reset()
    return upstream_server[0]


@pytest.fixture
def pool(upstream_server, monkeypatch):
    """A pool of three models behind one upstream; one has another name there."""
    monkeypatch.setenv("UPSTREAM_KEY", SECRET)
    url = f"{upstream_server[1]}/v1"
    models = {
        A: UpstreamModel(url=url, key_env="UPSTREAM_KEY", input_price=5.0, cached_price=0.5, output_price=10.0),
        B: UpstreamModel(url=url, key_env="UPSTREAM_KEY", input_price=0.5, output_price=1.0),
        C: UpstreamModel(url=url, served_as="c-inside", input_price=1.0, output_price=2.0),
    }
    variants = {"cheap": RouterVariant(cost_weight=50.0), "two": RouterVariant(models=[A, B])}
    settings = GatewaySettings(answer_seconds=1.5, connect_seconds=1.0, stay_logits=0.0)
    return Pool(models, variants, settings)


@pytest.fixture
def started(good_copy, pool, upstream):
    """Return a starter of gateways over a copy of the good run; keywords change settings or the pool."""
    with contextlib.ExitStack() as stack:

        def start(run=good_copy, journal=None, keys=(), models=None, seed=0, watch=0.0, state=None, **settings):
            own = replace(
                pool, gateway=replace(pool.gateway, **settings), keys=tuple(keys), models=models or pool.models
            )
            gateway = Gateway(ServedRun(run, own, state, journal=journal), own, seed)
            url = stack.enter_context(serving(create_app(gateway, watch)))
            start.gateway = gateway
            return url

        yield start
