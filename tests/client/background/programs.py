"""Programs that tests run in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(program: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends by itself."""
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.run(command, timeout=timeout, capture_output=True, text=True, check=False, cwd=ROOT, env=_ENV)


def begin(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program whose standard output is read line by line."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=_ENV)


_ENV = os.environ | {"PYTHONUNBUFFERED": "1"}
