"""Live positions of ships from a stream that never ends. See docs/adr/0013-live-stream.md."""
