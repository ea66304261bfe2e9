#!/usr/bin/env bash
# What a newcomer does, from a clone of HEAD: make up, publish, count, down, make test.
#
#   tests/acceptance/test_fresh_clone.sh [--no-tests] [--under DIR] [--limit N] [--wheels]
#
#   --no-tests   leave out `make test`
#   --under DIR  clone below DIR instead of a temporary directory
#   --limit N    seconds in which `make up` must be ready; 60 on an idle machine whose pip has the packages cached
#   --wheels     hide redis-server and Postgres: those from the wheels are used
#
# Prints one line for each step with its seconds; exits 1 at the first that fails. Ends what it starts.
set -euo pipefail

tests=1 under='' servers='' limit=60
while [ $# -gt 0 ]; do
  case $1 in
    --no-tests) tests=0 ;;
    --under) under=$2; shift ;;
    --limit) limit=$2; shift ;;
    --wheels) servers=wheels ;;
    *) sed -n '2,11p' "$0"; exit 2 ;;
  esac
  shift
done

source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d -p "${under:-/tmp}" dataflow-clone-XXXXXX)
cleanup() {
  [ -x "$work/clone/.venv/bin/dataflow" ] && "$work/clone/.venv/bin/dataflow" down --data-dir "$work/clone/data" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

step() {
  local name=$1 began=$SECONDS
  shift
  if ! "$@" >"$work/output" 2>&1; then
    echo "FAILED  $name"
    tail -n 60 "$work/output"
    exit 1
  fi
  printf 'ok %5d s  %s\n' "$((SECONDS - began))" "$name"
}

unset DATAFLOW_DATA_DIR DATAFLOW_TOKEN DATAFLOW_TOKEN_FILE
[ -z "$servers" ] || export DATAFLOW_SERVERS=$servers
# The checkout may belong to somebody else.
printf '[safe]\n\tdirectory = *\n' >"$work/gitconfig"
GIT_CONFIG_GLOBAL="$work/gitconfig" git clone --quiet "$source" "$work/clone"
cd "$work/clone"
began=$SECONDS
step 'make up' make up ARGS="--detach --port-base 0"
[ $((SECONDS - began)) -le "$limit" ] || { echo "FAILED  ready after $((SECONDS - began)) s, more than $limit"; exit 1; }

step 'make up has nothing to install again' make setup

dataflow=.venv/bin/dataflow
eval "$($dataflow status --env)"

publish_and_count() {
  $dataflow contract create room --fields <(printf '[{"name": "temperature", "type": "number", "required": true}]') --activate
  $dataflow route create 'rooms/+/climate' --contract room --device topic:1
  .venv/bin/python - <<'PYTHON'
import asyncio, os, subprocess, shutil, asyncpg
host, _, port = os.environ["DATAFLOW_MQTT"].rpartition(":")
async def main() -> None:
    for number in range(10):
        command = ["mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-u", "room-7", "-P", os.environ["DATAFLOW_TOKEN"],
                   "-t", "rooms/room-7/climate", "-m", '{"temperature": %d.5}' % number]
        if shutil.which("mosquitto_pub"):
            subprocess.run(command, check=True, timeout=10)
    if not shutil.which("mosquitto_pub"):
        with open("rooms.jsonl", "w") as file:
            file.writelines('{"topic": "rooms/room-7/climate", "payload": {"temperature": %d.5}}\n' % n for n in range(10))
        subprocess.run([".venv/bin/dataflow", "replay", "rooms.jsonl", "--wait-stored"], check=True, timeout=60)
    connection = await asyncpg.connect(os.environ["DATAFLOW_POSTGRES_DSN"])
    async with asyncio.timeout(30):
        while (stored := await connection.fetchval('SELECT count(*) FROM readings."room"')) < 10:
            await asyncio.sleep(0.1)
    assert stored == 10, stored
    await connection.close()
asyncio.run(main())
PYTHON
}
export DATAFLOW_MQTT DATAFLOW_TOKEN DATAFLOW_POSTGRES_DSN
step '10 published, 10 stored' publish_and_count
step 'down' $dataflow down
left=$(for entry in /proc/[0-9]*; do
  { tr '\0' ' ' <"$entry/cmdline"; } 2>/dev/null | grep -F "$work/clone" || true
done)
[ -z "$left" ] || { echo "FAILED  still running: $left"; exit 1; }
step 'a second up over the same data' make up ARGS="--detach --no-fleet"
step 'down again' $dataflow down
[ "$tests" = 0 ] || step 'make test' make test
echo 'all passed'
