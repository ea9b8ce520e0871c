"""What happens every night: ingest (scoring, monitoring and decisions will join it)."""
