DELETE FROM headgate.alert_member WHERE group_id = %(group_id)s AND alert_id = ANY (%(alert_ids)s)
