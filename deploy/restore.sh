#!/bin/sh
# Fill the volumes `store` and `profiles`, which must be empty, from what deploy/backup.sh wrote.
# Usage: docker compose down; deploy/restore.sh FILE.tar.gz; docker compose up -d --wait
set -eu
: "${1:?usage: deploy/restore.sh FILE.tar.gz}"
folder=$(cd "$(dirname "$1")" && pwd) name=$(basename "$1")
cd "$(dirname "$0")/.."
project=$(docker compose config | sed -n 's/^name: *//p')
image=$(docker compose config --images | grep 'idiolect-gateway:')

if [ -n "$(docker compose ps -q gateway pipeline student)" ]; then
    echo "the system is running: docker compose down, first" >&2
    exit 1
fi
# Makes the volumes as Compose wants them where they aren't there.
docker compose up --no-start gateway student
docker compose rm -f > /dev/null
# shellcheck disable=SC2016
docker run --rm --user 0 --network none --entrypoint sh \
    -v "${project}_store:/data/store" -v "${project}_profiles:/data/profiles" -v "$folder:/from:ro" \
    "$image" -euc '
        for one in store profiles; do
            if [ -n "$(find "/data/$one" -mindepth 1 -type f | head -n 1)" ]; then
                echo "the volume $one is not empty: nothing was restored" >&2
                exit 1
            fi
        done
        tar -C /data -xzf "/from/$1" && chown -R 10001:10001 /data' restore "$name"
