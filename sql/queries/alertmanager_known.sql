INSERT INTO headgate.alertmanager_feed (receiver, channel) VALUES (%(receiver)s, %(channel)s)
ON CONFLICT (receiver, channel) DO NOTHING
