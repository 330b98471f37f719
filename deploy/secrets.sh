#!/bin/sh
# Makes deploy/secrets: a key of the API for the tenant `default`, and Grafana's password. What is there stays.
# The folder is for its owner alone; the files in it are readable, since the services run as a user of their own.
set -eu
folder="$(dirname "$0")/secrets"
mkdir -p "$folder" && chmod 700 "$folder"

random() { head -c 32 /dev/urandom | base64 | tr -d '=\n' | tr '+/' '-_'; }

if [ ! -s "$folder/keys.jsonl" ]; then
    key="idk_$(random)"
    digest="$(printf %s "$key" | sha256sum | cut -d ' ' -f 1)"
    printf '{"tenant": "default", "sha256": "%s"}\n' "$digest" >"$folder/keys.jsonl"
    (umask 077 && printf '%s\n' "$key" >"$folder/default.key")
    echo "the key of the API stands in $folder/default.key; the services need its digest alone"
fi
if [ ! -s "$folder/grafana-password" ]; then
    random >"$folder/grafana-password"
    echo "Grafana's password (user admin) stands in $folder/grafana-password"
fi
chmod 644 "$folder/keys.jsonl" "$folder/grafana-password"
