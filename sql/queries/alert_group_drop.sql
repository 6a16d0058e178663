-- Groups of routes that are in the routing file no longer.
DELETE FROM headgate.alert_group WHERE route <> ALL (%(routes)s)
