#!/bin/sh
# Write what must not be lost, the volumes `store` and `profiles`, to a file; the API is away meanwhile.
# Usage: deploy/backup.sh FILE.tar.gz
set -eu
: "${1:?usage: deploy/backup.sh FILE.tar.gz}"
folder=$(cd "$(dirname "$1")" && pwd) name=$(basename "$1")
cd "$(dirname "$0")/.."
project=$(docker compose config | sed -n 's/^name: *//p')
image=$(docker compose config --images | grep 'idiolect-gateway:')

docker compose stop gateway pipeline
trap 'docker compose start pipeline gateway' EXIT
docker run --rm --user 0 --network none --entrypoint tar \
    -v "${project}_store:/data/store:ro" -v "${project}_profiles:/data/profiles:ro" -v "$folder:/to" \
    "$image" -C /data -czf "/to/$name.part" store profiles
mv "$folder/$name.part" "$folder/$name"
