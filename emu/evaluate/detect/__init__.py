"""Detection: annotated images, decoders of what detectors give, and their metrics."""
