-- A group whose alerts are all over, and whose interval is.
DELETE FROM headgate.alert_group WHERE group_id = %(group_id)s
