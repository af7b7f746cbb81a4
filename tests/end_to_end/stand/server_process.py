"""A server as a process of its own, to be killed and started again on the same port."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
_START_SECONDS = 180


class ServerProcess:
    """`reflexio serve` on a port that stays the same from one start to the next."""

    def __init__(self, folder: Path, name: str, *flags: str, real_model: bool = False, tree: Path = ROOT) -> None:
        """Choose a port.

        Args:
            folder: Where it writes its output.
            name: What to call its log.
            flags: Of `reflexio serve`.
            real_model: Whether to embed with the packaged model.
            tree: A checkout of the version to run.
        """
        self._tree = tree
        self.log_file = folder / f"{name}.log"
        self.port = free_port()
        module = "reflexio_server" if real_model else "tests.end_to_end.stand.serve"
        self._command = [sys.executable, "-m", module, "serve", "--port", str(self.port), *flags]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        """Where it listens: host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that it wrote, since the first start."""
        return self.log_file.read_text(errors="replace")

    def launch(self) -> None:
        """Start it, without waiting."""
        self._read_up_to = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._tree,
                env=quiet_environment() | {"PYTHONPATH": f"{self._tree / 'server'}:{self._tree / 'client/python'}"},
            )

    def wait_until_listening(self) -> None:
        """Return when calls are answered."""
        deadline = time.monotonic() + _START_SECONDS
        while b"listening on " not in self.log_file.read_bytes()[self._read_up_to :]:
            assert self.process.poll() is None, f"it ended instead of starting:\n{self.log[-4000:]}"
            assert time.monotonic() < deadline, f"it does not start:\n{self.log[-4000:]}"
            time.sleep(0.02)

    def start(self) -> None:
        """Start it, and wait until calls are answered."""
        self.launch()
        self.wait_until_listening()

    def kill(self) -> None:
        """End it with SIGKILL. Workers, whose port nobody else gets before, end by themselves when it is gone."""
        workers = self.workers
        self.process.kill()
        self.process.wait()
        _, left = psutil.wait_procs(workers, timeout=60)
        assert not left, f"workers outlive their supervisor:\n{self.log[-3000:]}"

    @property
    def workers(self) -> list[psutil.Process]:
        """Its worker processes, where it has several."""
        if "--workers" not in self._command:
            return []
        return [child for child in psutil.Process(self.process.pid).children() if "worker" in " ".join(child.cmdline())]

    def terminate(self) -> int:
        """End it with SIGTERM. Returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def end(self) -> None:
        """Make sure that it does not run any more."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.terminate()
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The latest one."""
        assert self._process is not None, "it was never started"
        return self._process


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def quiet_environment() -> dict[str, str]:
    """The environment without settings of somebody's own server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("REFLEXIO_")}
