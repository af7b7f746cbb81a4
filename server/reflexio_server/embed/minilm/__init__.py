"""all-MiniLM-L6-v2 in ONNX Runtime: its layers in eight-bit integers, without PyTorch."""
