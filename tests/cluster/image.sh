#!/bin/bash
# Images without a registry, for the test cluster:
#   image.sh python                     makes docker.io/library/python:3.11-slim from Debian packages
#   image.sh build NAME FOLDER [FILE]   builds a Dockerfile whose FROM is that image
#   image.sh load NAME                  gives a built image to the cluster that runs
#   image.sh echo                       prints the archive of the image that the cluster's tests use
set -euo pipefail
here=$(dirname "$0")
. "$here/parts/settings.sh"
. "$here/parts/build.sh"

python_image=docker.io/library/python:3.11-slim
certificates=/etc/ssl/certs/ca-certificates.crt

main() {
  make_folders
  case "${1:-}" in
    python | build | load)
      need_root "tests/cluster/image.sh"
      need_packages buildah mmdebstrap ca-certificates
      "$@"
      ;;
    echo)
      build_once tools tools/go.mod tools/echo >&2
      echo "$built/echo.tar"
      ;;
    *)
      sed -n 2,6p "$0"
      exit 2
      ;;
  esac
}

buildah() {
  command buildah --root "$cache/buildah/store" --runroot "$cache/buildah/run" \
    --storage-driver overlay "$@"
}

python() { # again only when how it is made has changed
  local container
  build_once python image.sh
  [ "$(cat "$cache/buildah/python" 2>/dev/null)" != "$built" ] || return 0
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$built/root.tar" / >/dev/null
  buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    --env LANG=C.UTF-8 --cmd python3 "$container"
  buildah commit --quiet --rm "$container" $python_image >/dev/null
  echo "$built" >"$cache/buildah/python"
}

make_python() { # FOLDER: Debian's own Python 3.11, with as little around it as Debian can do with
  # shellcheck disable=SC2016  # mmdebstrap's shell expands it
  mmdebstrap --variant=minbase --quiet \
    --include=ca-certificates,python3,python3-pip,python3-venv,python-is-python3 \
    --dpkgopt='path-exclude=/usr/share/{doc,man,locale,info}/*' \
    --customize-hook='rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED "$1"/etc/resolv.conf "$1"/etc/hostname' \
    bookworm "$1/root.tar"
}

build() { # NAME FOLDER [FILE]
  # RUN steps use this machine's network, name servers and certificates; none stays in the image.
  buildah build --quiet --isolation chroot --network host --pull-never --layers \
    --volume "$certificates:$certificates:ro" --tag "$1" --file "${3:-$2/Dockerfile}" "$2"
}

load() { # NAME: from buildah's store to containerd
  local archive=$state/image.tar
  [ -S "$socket" ] || fail "No test cluster runs to load $1 into: make cluster-up"
  rm -f "$archive"
  buildah push --quiet "$1" "docker-archive:$archive:$1"
  ctr images import "$archive" >>"$logs/images.log"
  rm -f "$archive"
}

main "$@"
