"""Named, typed checks that a challenger must pass, one module a family."""
