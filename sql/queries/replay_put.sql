UPDATE headgate.replay SET put_at = now(), body = NULL WHERE replay_key = %(replay_key)s;
