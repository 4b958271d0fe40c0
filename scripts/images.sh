#!/bin/bash
# Builds the images and tells how large they are, or builds and loads them into the test cluster:
#   images.sh build|load [NAME...]      without names: all; all that a test cluster runs
# They are built by the test cluster's builder, which needs no registry (tests/cluster/image.sh), or
# with DOCKER=docker by that. REPOSITORY is what their names begin with, REVISION and SOURCE become
# labels: the commit and where its source is.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=${REPOSITORY:-localhost/isogloss}
builder=tests/cluster/image.sh
base=docker.io/library/python:3.11-slim
# NAME FOLDER [TARGET]; a target is also the end of the tag. One that another is built on is first.
images="inference services/inference
inference-sklearn services/inference sklearn
inference-encoder services/inference encoder
registry-proxy services/registry-proxy
drift-monitor services/drift-monitor
rollout-controller services/rollout-controller
training-jobs-sklearn training-jobs sklearn
training-jobs-encoder training-jobs encoder
training-jobs training-jobs
cli cli
example-sentiment examples/sentiment"
# TensorFlow's 2 GB and the encoder's engine are not needed there.
cluster_images=$(awk '$1 !~ /^training-jobs$|-encoder$/ {print $1}' <<<"$images")

main() {
  local command=${1:-} name references=()
  [[ $command =~ ^(build|load)$ ]] || fail "$(sed -n 2,6p "$0")"
  shift
  if [ $# = 0 ] && [ "$command" = build ]; then
    mapfile -t names < <(cut -d' ' -f1 <<<"$images")
  elif [ $# = 0 ]; then
    mapfile -t names <<<"$cluster_images"
  else
    names=("$@")
  fi
  for name in "${names[@]}"; do
    grep -q "^$name " <<<"$images" ||
      fail "$name is no image; there are: $(cut -d' ' -f1 <<<"$images" | paste -sd' ')"
  done
  if [ -z "${DOCKER:-}" ]; then
    $builder python
  elif [ "$command" = load ]; then
    fail "Only what the test cluster's builder built is loaded: unset DOCKER, or load or push the images with your cluster's own tool"
  fi
  printf '%-50s %12s %12s %8s\n' image MB "beyond base" seconds
  for name in "${names[@]}"; do
    build "$name"
    references+=("$(reference "$name")")
  done
  [ "$command" = build ] || $builder load "${references[@]}"
}

build() { # NAME
  local began=$SECONDS size
  [ ! -t 1 ] || echo -n "$(reference "$1") ..."
  build_one "$1"
  size=$(size_of "$(reference "$1")")
  printf '\r%-50s %12d %12d %8d\n' "$(reference "$1")" $((size / 1000000)) \
    $(((size - $(size_of $base)) / 1000000)) $((SECONDS - began))
}

build_one() { # NAME
  local folder target options
  read -r _ folder target < <(grep "^$1 " <<<"$images")
  options=(--build-arg "REVISION=${REVISION:-unknown}" --build-arg "SOURCE=${SOURCE:-unknown}")
  [ -z "$target" ] || options+=(--target "$target")
  [ "$1" != example-sentiment ] ||
    options+=(--build-arg "TRAINING_IMAGE=$(reference training-jobs-sklearn)")
  if [ -n "${DOCKER:-}" ]; then
    "$DOCKER" build --quiet --tag "$(reference "$1")" --file "$folder/Dockerfile" "${options[@]}" . \
      >/dev/null
  else
    $builder build "$(reference "$1")" . "$folder/Dockerfile" "${options[@]}"
  fi
}

reference() { # NAME: what the image is called; its version stands in its Dockerfile
  local folder target version
  read -r _ folder target < <(grep "^$1 " <<<"$images")
  version=$(sed -nE 's/.*image\.version="([^"]+)".*/\1/p' "$folder/Dockerfile")
  target=${target:+-$target}
  echo "$repository/${1%"$target"}:$version$target"
}

size_of() { # REFERENCE
  if [ -n "${DOCKER:-}" ]; then
    "$DOCKER" image inspect --format '{{.Size}}' "$1"
  else
    $builder size "$1"
  fi
}

fail() { # TEXT
  echo "$*" >&2
  exit 1
}

main "$@"
