"""The database consumer: batches of rows in, merged tables and receipts out."""
