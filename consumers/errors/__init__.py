"""The error consumer: failures in; delayed retries, parked messages and rows of headgate.error out."""
