"""API sources: how providers are asked, and how their answers reach the landing bucket unchanged."""
