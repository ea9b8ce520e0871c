"""Looks at everything Evergreen depends on and says what is wrong and what to do; changes nothing."""
