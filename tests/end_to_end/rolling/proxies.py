"""The proxies of deploy/proxies, run with ports and files of their own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.certificates import Authority, Files
from tests.end_to_end.stand.server_process import ROOT, ServerProcess, free_port

CONFIGURATIONS = ROOT / "deploy" / "proxies"

# nginx is in no user's path on Debian.
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def program(name: str) -> str | None:
    """Where a proxy is installed; None where it is not."""
    return shutil.which(name, path=_PATH)


@contextmanager
def proxy(name: str, servers: Sequence[ServerProcess], authority: Authority, folder: Path) -> Iterator[str]:
    """Run haproxy or nginx before two servers. Gives the URL to call."""
    files = Files(folder / "tls")
    files.put(authority.issue("localhost", "127.0.0.1"), authority)
    both = folder / "tls" / "cert-and-key.pem"
    both.write_bytes(files.cert.read_bytes() + files.key.read_bytes())
    port = free_port()
    source = CONFIGURATIONS / ("haproxy.cfg" if name == "haproxy" else "nginx.conf")
    text = source.read_text()
    replacements = {
        "127.0.0.1:8443": f"127.0.0.1:{port}",
        "127.0.0.1:8081": servers[0].target,
        "127.0.0.1:8082": servers[1].target,
        "/etc/reflexio/tls": str(folder / "tls"),
        "/run/reflexio": str(folder),
    }
    for old, new in replacements.items():
        assert old in text or (name == "haproxy" and old == "/run/reflexio"), f"{source} does not say {old}"
        text = text.replace(old, new)
    own = folder / source.name
    own.write_text(text)
    found = program(name)
    assert found is not None
    arguments = ["-db", "-f", str(own)] if name == "haproxy" else ["-c", str(own), "-g", "daemon off;"]
    with (folder / f"{name}.log").open("wb") as log, subprocess.Popen([found, *arguments], stderr=log) as process:
        try:
            _wait_for(port, process, folder / f"{name}.log")
            yield f"https://localhost:{port}"
            assert process.poll() is None, (folder / f"{name}.log").read_text()
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when somebody listens."""
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
