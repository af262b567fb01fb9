#!/bin/sh
# The server is not started: it needs an issuer first. One that runs goes on with the new
# program once it is restarted.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers ostiary.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
