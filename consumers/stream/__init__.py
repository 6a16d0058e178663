"""Live positions of ships from a stream that never ends. See docs/adr/0011-live-stream.md."""
