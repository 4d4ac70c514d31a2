"""What monitors are told of a broker of its own."""

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from cityloop.city.metric_kinds import METRICS
from tests.broker.running import CONTEXT, running


def test_a_broker_answers_monitors_beside_its_api(tmp_path: Path, free_port: int) -> None:
    with running(tmp_path, free_port) as broker:
        subscription = {
            "@context": CONTEXT,
            "id": "urn:ngsi-ld:Subscription:1",
            "type": "Subscription",
            "entities": [{"type": "Room"}],
            "notification": {"endpoint": {"uri": "http://127.0.0.1:9/nobody"}},
        }
        headers = {"content-type": "application/ld+json"}
        broker.client.post("/subscriptions", json=subscription, headers=headers).raise_for_status()
        url = f"http://127.0.0.1:{free_port}"
        for path in ("/health/live", "/health/ready"):
            assert httpx.get(url + path).json()["ok"] is True
        text = httpx.get(url + "/metrics").raise_for_status().text
        assert httpx.get(url + "/metric").status_code == 404
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["cityloop_broker_tenants",] == 1
    assert samples["cityloop_subscriptions", "all"] == 1
    assert samples["cityloop_fold_lag_positions", "broker"] == 0
    assert samples["cityloop_process_resident_bytes", "broker"] > 0
    assert {name for name, *_ in samples} == {n for n, k in METRICS.items() if k.where == "broker"}
