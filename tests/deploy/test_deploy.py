"""What deploy/ holds is well formed and keeps its promises; it cannot be run here."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
MANIFESTS = sorted(p for p in (DEPLOY / "kubernetes").glob("*.yaml") if p.stem != "kustomization")


def documents() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def workloads() -> list[dict[str, Any]]:
    return [one for one in documents() if one["kind"] in ("Deployment", "StatefulSet")]


def name(one: dict[str, Any]) -> str:
    return str(one["metadata"]["name"])


def test_the_container_file_has_nothing_that_hadolint_minds() -> None:
    done = subprocess.run(
        [BIN / "hadolint", DEPLOY / "Containerfile"], capture_output=True, text=True, check=False
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_every_manifest_is_one_that_kubernetes_would_take() -> None:
    command = [BIN / "kubernetes-validate", "--strict", "--quiet", *MANIFESTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_kustomization_names_every_manifest() -> None:
    told = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"]
    assert sorted(told) == [path.name for path in MANIFESTS]


@pytest.mark.parametrize("one", workloads(), ids=name)
def test_a_workload_is_probed_limited_and_cannot_write_or_be_root(one: dict[str, Any]) -> None:
    pod = one["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert {"livenessProbe", "readinessProbe"} <= container.keys()
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert ":" in container["image"]
        assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("one", workloads(), ids=name)
def test_a_workload_that_is_not_a_single_stateless_one_has_a_disruption_budget(
    one: dict[str, Any],
) -> None:
    labels = one["spec"]["template"]["metadata"]["labels"].items()
    budgets = [b for b in documents() if b["kind"] == "PodDisruptionBudget"]
    covered = [b for b in budgets if b["spec"]["selector"]["matchLabels"].items() <= labels]
    # Ray's head holds nothing: its workers and the city connect again.
    assert bool(covered) == (name(one) != "ray-head")


def test_no_manifest_and_no_compose_file_holds_a_secret() -> None:
    assert [name(one) for one in documents() if one["kind"] == "Secret"] == []
    for one in workloads():
        for container in one["spec"]["template"]["spec"]["containers"]:
            for variable in container.get("env", ()):
                secret = any(word in variable["name"] for word in ("PASSWORD", "SECRET", "KEY"))
                assert not secret or "value" not in variable
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for service in services.values():
        for variable, value in service.get("environment", {}).items():
            given = "PASSWORD" in variable and not variable.endswith("_FILE")
            assert not given or variable.endswith("__FILE") or value.startswith("${"), variable


@pytest.mark.parametrize("service", ["city", "gateway", "postgres", "nats", "prometheus"])
def test_a_service_of_the_compose_file_is_hardened_and_limited(service: str) -> None:
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"][service]
    assert told["read_only"]
    assert told["cap_drop"] == ["ALL"]
    assert {"mem_limit", "cpus"} <= told.keys()


def test_what_is_published_is_published_on_the_loopback_alone() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_jetstream_syncs_each_message_wherever_it_is_set_up() -> None:
    config = next(one for one in documents() if one["kind"] == "ConfigMap" and name(one) == "nats")
    for text in (config["data"]["nats.conf"], (DEPLOY / "nats.conf").read_text()):
        assert "sync_interval: always" in text
