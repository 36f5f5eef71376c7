"""A Ceph object gateway for tests: monitor, one OSD in memory, RGW, on loopback; some 20 seconds.

Needs Debian's ``ceph-mon``, ``ceph-osd`` and ``radosgw`` (60 MB), which the tests do not install.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from tests import ports

PROGRAMS = (
    "ceph-mon",
    "ceph-osd",
    "radosgw",
    "radosgw-admin",
    "ceph",
    "monmaptool",
    "ceph-authtool",
)
_CONF = """[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{monitor}]
public_addr = 127.0.0.1
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
keyring = {folder}/keyring
mon_data = {folder}/mon
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 268435456
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
rgw_enable_ops_log = true
rgw_ops_log_rados = false
rgw_ops_log_file_path = {folder}/ops.log
"""


def missing() -> str | None:
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


class Gateway:
    """Running from its making to ``stop``. ``log`` is the operations log."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ct-ceph-"))
        self.log = self.folder / "ops.log"
        self._running: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        fsid, monitor, port = str(uuid.uuid4()), ports.free(), ports.free()
        keyring, conf = self.folder / "keyring", self.folder / "ceph.conf"
        conf.write_text(_CONF.format(fsid=fsid, monitor=monitor, folder=self.folder))
        self._env = {**os.environ, "CEPH_CONF": str(conf)}
        self.endpoint = f"http://127.0.0.1:{port}"
        secret = self._run("ceph-authtool", "--gen-print-key").strip()
        for more in (["--create-keyring", "-n", "mon."], ["-n", "client.admin"]):
            caps = [part for of in ("mon", "osd") for part in ("--cap", of, "allow *")]
            self._run("ceph-authtool", str(keyring), "--gen-key", *more, *caps)
        monmap, osd = str(self.folder / "monmap"), str(uuid.uuid4())
        address = f"[v2:127.0.0.1:{monitor}]"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        (self.folder / "osd").mkdir()
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", str(keyring))
        self._begin("ceph-mon", "-i", "a", "-f")
        told = json.dumps({"cephx_secret": secret})
        self._run("ceph", "--connect-timeout", "30", "osd", "new", osd, "0", "-i", "-", text=told)
        caps = ["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"]
        self._run("ceph-authtool", str(keyring), "-n", "osd.0", "--add-key", secret, *caps)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._begin("ceph-osd", "-i", "0", "-f")
        frontend = f"--rgw_frontends=beast endpoint=127.0.0.1:{port}"
        self._begin("radosgw", "-n", "client.admin", "-f", frontend)
        for _ in range(240):
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).read()
                return
            except OSError:
                time.sleep(0.25)
        raise TimeoutError("the gateway did not come up")

    def user(self, name: str) -> None:
        """A user whose keys are ``AK`` and ``SK`` before its name."""
        keys = [f"--access-key=AK{name}", f"--secret-key=SK{name}"]
        self._run("radosgw-admin", "user", "create", f"--uid={name}", "--display-name=x", *keys)

    def client(self, name: str | None, secret: str | None = None) -> Any:
        """An S3 client of a user, or of nobody."""
        import boto3.session
        from botocore import UNSIGNED
        from botocore.config import Config

        style: Any = {"addressing_style": "path"}
        once: Any = {"total_max_attempts": 1}
        config = Config(s3=style, retries=once)
        if name is None:
            config = config.merge(Config(signature_version=UNSIGNED))
        return boto3.session.Session(
            aws_access_key_id=f"AK{name}",
            aws_secret_access_key=secret or f"SK{name}",
            region_name="us-east-1",
        ).client("s3", endpoint_url=self.endpoint, config=config)

    def _run(self, *words: str, text: str = "") -> str:
        done = subprocess.run(
            words, env=self._env, input=text, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def _begin(self, *words: str) -> None:
        quiet = subprocess.DEVNULL
        self._running.append(subprocess.Popen(words, env=self._env, stdout=quiet, stderr=quiet))

    def stop(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
