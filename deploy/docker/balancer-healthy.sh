#!/bin/bash
# Whether the balancer answers, and has a bridge to send devices to: exit code 0 if so.
exec 3<>/dev/tcp/127.0.0.1/8404 || exit 1
printf 'GET /healthy HTTP/1.0\r\n\r\n' >&3
read -r -t 2 answer <&3 && [[ $answer == *" 200 "* ]]
