"""Policy: from a night's evidence and the model's history to one decision; pure, so that replay runs the same code."""
