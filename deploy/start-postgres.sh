#!/bin/sh
# The postgres image's own start, with sizes by this machine's memory and the disk of the data: see `sizes` in
# plugins/headgate/stack/postgres.py. Arguments go to the server.
set -eu

between() { # least wanted most
  wanted=$2
  [ "$wanted" -ge "$1" ] || wanted=$1
  [ "$wanted" -le "$3" ] || wanted=$3
  echo "$wanted"
}

memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)
limit=$(cat "${CGROUP_LIMIT:-/sys/fs/cgroup/memory.max}" 2>/dev/null || echo max)
if [ "$limit" != max ] && [ $((limit / 1048576)) -lt "$memory" ]; then
  memory=$((limit / 1048576))
fi
disk=$(df -Pk "${DATA_VOLUME:-/var/lib/postgresql}" | awk 'NR == 2 {print int($2 / 1024)}')
log=$(between 1024 $((disk / 16)) 16384)

exec docker-entrypoint.sh postgres \
  -c shared_buffers="$(between 128 $((memory / 8)) 2048)MB" \
  -c max_wal_size="${log}MB" \
  -c min_wal_size="$((log / 4))MB" \
  "$@"
