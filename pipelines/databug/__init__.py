"""Is it the world that changed, or the data that broke? Asked of raw tables' profiles, before anything is retrained."""
