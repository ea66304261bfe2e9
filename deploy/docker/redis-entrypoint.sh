#!/bin/sh
# Starts a ring node with the settings of deploy/redis and the generated password. Works with the image's own entrypoint,
# which takes an ordinary user; only root can read the password's file, so it is done before.
set -eu
umask 077
directory=/run/ring-node
cat /etc/dataflow/ring-node.conf >"$directory/node.conf"
cat >>"$directory/node.conf" <<EOF

bind * -::*
port 6379
dir /data
maxmemory ${RING_NODE_MAXMEMORY:-512mb}
requirepass $(cat /run/dataflow/password)
EOF
chown -R redis "$directory"
exec docker-entrypoint.sh redis-server "$directory/node.conf"
