#!/bin/sh
# Makes the files that the stacks read their secrets from, where they are not there yet: secrets.sh FOLDER.
# A password is random. A key that only its owner knows is an empty file: nobody is told until it is filled in.
set -eu
folder=$1
mkdir -p "$folder"
# The folder is closed to everybody else on this machine; the files in it are read by the containers' own users.
chmod 700 "$folder"
umask 022
for name in grafana_password postgres_password; do
  [ -s "$folder/$name" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$name"
done
for name in pagerduty_routing_key smtp_password; do
  [ -e "$folder/$name" ] || : >"$folder/$name"
done
