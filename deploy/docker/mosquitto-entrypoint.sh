#!/bin/sh
# Starts Mosquitto with the settings of deploy/mosquitto and the generated passwords, both readable by its user only.
set -eu
umask 077
directory=/run/mosquitto-secrets
cp /run/dataflow/passwords "$directory/passwords"
cp /etc/dataflow/mosquitto.conf "$directory/mosquitto.conf"
cat >>"$directory/mosquitto.conf" <<EOF

password_file $directory/passwords
EOF
chown -R mosquitto "$directory" /mosquitto/data
exec mosquitto -c "$directory/mosquitto.conf"
