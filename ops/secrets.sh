#!/bin/sh
# Makes the files for the keys of those who are told, where they are not there yet: secrets.sh FOLDER. They are empty, and
# nobody is told until they are filled in. The database's password is not one of them: compose.lineage.yaml makes it.
set -eu
folder=$1
mkdir -p "$folder"
# The folder is closed to everybody else on this machine; the files in it are read by the containers' own users.
chmod 700 "$folder"
umask 022
for name in pagerduty_routing_key smtp_password; do
  [ -e "$folder/$name" ] || : >"$folder/$name"
done
