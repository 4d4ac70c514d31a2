"""Ray as this city uses it: a cluster of its own on loopback, or one that is there already."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cityloop.kernel.errors import ConfigError

MISSING = "Ray is not installed; pip install 'cityloop[scaled]'"
LOCAL, ADDRESS = "ray", "ray://"
_STORE_BYTES = 80_000_000
_GONE_S = 1.0
_NO_USAGE = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
# Ray's name for this tells of other systems; on Linux, too, it makes its servers listen on loopback
# alone, where they would listen on every interface.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster, and its processors."""

    id: str
    address: str
    cpus: float


class RayCluster:
    """The cluster that ``workers`` names: "ray" starts one below ``folder``, "ray://host:port" is
    that of a Ray head (the port of its GCS) of which this machine is a node.

    Raises ConfigError where Ray is not installed or the cluster cannot be reached. One a process.
    """

    def __init__(self, workers: str, folder: Path) -> None:
        os.environ.update(_NO_USAGE)
        local = workers == LOCAL
        if local:
            os.environ.update(_LOOPBACK)
        try:
            import ray
        except ImportError as error:
            raise ConfigError(f"workers = {workers!r}: {MISSING}") from error
        self._ray: Any = ray
        self._local = local
        options = _local(folder) if local else {"address": workers.removeprefix(ADDRESS)}
        try:
            ray.init(log_to_driver=False, configure_logging=False, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"workers = {workers!r}: Ray cannot be reached ({error}); is its head running, and"
                " is this machine one of its nodes?"
            ) from error

    def nodes(self) -> list[Node]:
        """The machines that live, in the order of their ids."""
        found = [
            Node(n["NodeID"], n["NodeManagerAddress"], n.get("Resources", {}).get("CPU", 1.0))
            for n in self._ray.nodes()
            if n["Alive"]
        ]
        return sorted(found, key=lambda node: node.id)

    def start(self, made: type, node: Node, *arguments: object) -> Any:
        """An actor of class ``made`` on ``node``, or elsewhere where that has just gone.

        It is never restarted by Ray: whoever takes its place needs a lease and a memory first. It
        belongs to this process, and ends with it.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        placed = NodeAffinitySchedulingStrategy(node_id=node.id, soft=True)
        actor = self._ray.remote(num_cpus=0, max_restarts=0, max_task_retries=0)(made)
        return actor.options(scheduling_strategy=placed).remote(*arguments)

    def kill(self, actor: Any) -> None:
        """End an actor, wherever it is."""
        self._ray.kill(actor, no_restart=True)

    def close(self) -> None:
        """Leave. A cluster of our own is killed at once, as it holds nothing that lasts: Ray takes
        seconds to end one, and the city has two. The process is to end then, without a farewell.
        """
        if not self._local:
            self._ray.shutdown()
            return
        family = psutil.Process().children(recursive=True)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, _GONE_S)


def _local(folder: Path) -> Mapping[str, Any]:
    return {
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
        "_node_ip_address": "127.0.0.1",
        "_temp_dir": str(folder),
    }
