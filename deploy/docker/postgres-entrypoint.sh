#!/bin/sh
# Starts Postgres with the settings of deploy/postgres. The superuser's password is needed only while the cluster is made.
set -eu
umask 077
directory=/run/dataflow-postgres
cp /etc/dataflow/postgresql.conf "$directory/postgresql.conf"
chown -R postgres "$directory"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  POSTGRES_PASSWORD=$(cat /run/dataflow/superuser)
  POSTGRES_INITDB_ARGS="--data-checksums --wal-segsize=1 --locale=C --encoding=UTF8"
  export POSTGRES_PASSWORD POSTGRES_INITDB_ARGS
fi
exec docker-entrypoint.sh postgres -c "config_file=$directory/postgresql.conf" -c "listen_addresses=*" \
  -c "shared_buffers=${POSTGRES_SHARED_BUFFERS:-256MB}"
