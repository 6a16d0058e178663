UPDATE headgate.alert_member SET escalation = %(steps)s WHERE group_id = %(group_id)s AND alert_id = %(alert_id)s
