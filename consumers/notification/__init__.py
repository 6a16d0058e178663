"""The notification consumer: events in, alerts kept, people told."""
