"""What makes a challenger champion."""
