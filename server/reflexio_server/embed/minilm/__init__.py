"""all-MiniLM-L6-v2 in ONNX Runtime: its layers in eight-bit integers, without PyTorch."""

import os

# Before it is imported: otherwise it reports the machine and the program that uses it to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
