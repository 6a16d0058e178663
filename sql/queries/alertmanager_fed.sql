UPDATE headgate.alertmanager_feed SET fed_at = %(at)s WHERE receiver = %(receiver)s AND channel = %(channel)s
