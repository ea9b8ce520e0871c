"""The demo: real flights into the lake, then the story that `make demo` tells."""
