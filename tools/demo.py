"""``make demo``: a made-up company on a local S3, the ordinary ``cardtrail scan`` over it, a page.

Nothing here is known to the scan but a cardtrail.toml that a user could have written and the
endpoint of the local S3, given the way any AWS tool takes it (``AWS_ENDPOINT_URL``).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import northlight

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"


def main() -> int:
    DEMO.mkdir(exist_ok=True)
    truth = northlight.Truth()
    today = northlight.today()
    northlight.fill_logs(DEMO / "data" / "logs", today, truth)
    northlight.fill_payments(DEMO / "data" / "payments.db", truth)
    northlight.save_identities(DEMO / "iam.json")
    (DEMO / "cardtrail.toml").write_text(northlight.CONFIG, encoding="utf-8")
    say("made-up company: Northlight Retail, in demo/data and on a local S3")
    server, endpoint = start_s3()
    try:
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        fill_s3(endpoint, today, truth)
        command = [
            *(sys.executable, "-m", "scanner", "scan"),
            *("--ledger", "demo.ledger.db", "-o", "report.html", "-o", "run.json"),
        ]
        say("cd demo && cardtrail scan " + " ".join(command[4:]))
        environment["PYTHONPATH"] = str(ROOT)
        status = subprocess.run(command, cwd=DEMO, env=environment, check=False).returncode
    finally:
        server.stop()
    say(f"exit status {status} (1: unprotected cards were found, as they should be)")
    planted = sum(map(len, truth.pans.values()))
    say(f"planted {planted:,} live card numbers in {len(truth.pans)} of 5 stores")
    say(f"the report:       {DEMO / 'report.html'}")
    say(f"the run document: {DEMO / 'run.json'}")
    return 0 if status == 1 else 1


def start_s3():
    """moto's server on a free port of loopback."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return server, f"http://{host}:{port}"


def fill_s3(endpoint: str, today, truth: northlight.Truth) -> None:
    import boto3

    session = boto3.Session("demo", "demo", region_name="us-east-1")
    clients = [session.client(name, endpoint_url=endpoint) for name in ("s3", "cloudtrail")]
    northlight.fill_buckets(*clients, today, truth)


def say(text: str) -> None:
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
