"""OpenStack Swift in one process: account, container, object and proxy server with its S3 API.

    .tools/objects/bin/python scripts/servers/serve_swift.py FOLDER PORT < SECRETS

Run by ``objects``, with the Python that has Swift; the first line of SECRETS is the user, the
second the key. Everything lies in FOLDER, on a disk with extended attributes; there is one copy of
each object, fsynced before its PUT is answered.
"""

import sys
from pathlib import Path
from typing import Any

import eventlet
import eventlet.tpool
import eventlet.wsgi

eventlet.patcher.monkey_patch()

from swift.common import utils, wsgi  # noqa: E402 - what they import is to be patched
from swift.common.ring import RingBuilder  # noqa: E402

_STORE = """
[DEFAULT]
devices = {folder}
mount_check = false
disable_fallocate = true
[app:main]
use = egg:swift#{kind}
"""
_PROXY = """
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = catch_errors gatekeeper s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_city_{user} = {key} .admin
[filter:slo]
use = egg:swift#slo
"""


def serve(folder: Path, port: int, user: str, key: str) -> None:
    """Serve the S3 API on ``port`` of loopback until killed; says ``ready`` once it listens."""
    utils.HASH_PATH_SUFFIX = b"cityloop"  # else it would be read from /etc/swift
    (folder / "disk").mkdir(parents=True, exist_ok=True)
    for kind in ("account", "container", "object"):
        listening = eventlet.listen(("127.0.0.1", 0))
        _ring(folder, kind, listening.getsockname()[1])
        _serve(folder, kind, listening, _STORE.format(folder=folder, kind=kind))
    settings = _PROXY.format(folder=folder, user=user, key=key)
    proxy = _serve(folder, "proxy", eventlet.listen(("127.0.0.1", port)), settings)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    eventlet.tpool.execute(sys.stdin.read)  # ends with whoever started it
    proxy.kill()


def _serve(folder: Path, kind: str, listening: Any, settings: str) -> Any:
    path = folder / f"{kind}.conf"
    path.touch(mode=0o600)
    path.write_text(settings)
    # Not swift's own run_server: it changes eventlet's hub, and so must be alone in its process.
    return eventlet.spawn(
        eventlet.wsgi.server,
        listening,
        wsgi.loadapp(str(path)),
        wsgi.NullLogger(),
        protocol=wsgi.SwiftHttpProtocol,
        capitalize_response_headers=False,  # S3 clients look for "ETag"
    )


def _ring(folder: Path, kind: str, port: int) -> None:
    """Write down where the one copy of everything of a kind lies."""
    builder = RingBuilder(4, 1, 0)
    place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "disk"}
    builder.add_dev({"id": 0, "weight": 1, **place})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{kind}.ring.gz"))


if __name__ == "__main__":
    serve(Path(sys.argv[1]).resolve(), int(sys.argv[2]), input(), input())
