# Sourced: sets PYTHON to a Python that Headgate supports and that can make environments.
PYTHON=${PYTHON:-}
for candidate in $PYTHON python3 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import sys, ensurepip; assert (3, 11) <= sys.version_info < (3, 14)' 2>/dev/null; then
    PYTHON=$candidate
    return 0
  fi
done
echo "error: no Python 3.11, 3.12 or 3.13 with the module venv found; install one (Debian: apt-get install python3-venv), or name it: make PYTHON=/path/to/python" >&2
return 1
