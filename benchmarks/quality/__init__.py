"""Does search find it: annotated conversations, published to the real service and asked for."""
