"""How well a model does: measured on labels that have come, estimated where they have not."""
