#!/bin/bash
# Images without a registry, for the test cluster:
#   image.sh python           makes docker.io/library/python:3.11-slim from Debian packages
#   image.sh build NAME FOLDER [FILE [OPTION...]]
#                             builds a Dockerfile whose FROM is that image; the options are buildah's
#   image.sh size NAME        prints how many bytes an image has, unpacked
#   image.sh load NAME...     gives built images to the cluster that runs or is coming up, unless it
#                             has them
#   image.sh echo             prints the archive of the image that the cluster's tests use
set -euo pipefail
here=$(dirname "$0")
. "$here/parts/settings.sh"
. "$here/parts/build.sh"
. "$here/parts/python.sh"

python_image=docker.io/library/python:3.11-slim
certificates=/etc/ssl/certs/ca-certificates.crt
store_limit_mb=20000

main() {
  make_folders
  case "${1:-}" in
    python | build | size | load)
      need_root "tests/cluster/image.sh"
      need_packages buildah mmdebstrap ca-certificates
      trap leave_store EXIT
      "$@"
      ;;
    echo)
      build_once tools tools/go.mod tools/echo >&2
      echo "$built/echo.tar"
      ;;
    *)
      sed -n 2,9p "$0"
      exit 2
      ;;
  esac
}

buildah() {
  command buildah --root "$cache/buildah/store" --runroot "$cache/buildah/run" \
    --storage-driver overlay "$@"
}

leave_store() { # buildah mounts its store over itself; busy while another builds, who then does this
  ! mountpoint -q "$cache/buildah/store/overlay" || umount "$cache/buildah/store/overlay" 2>/dev/null || true
}

python() { # again only when how it is made has changed
  local container
  build_once python parts/python.sh
  [ "$(cat "$cache/buildah/python" 2>/dev/null)" != "$built" ] || { tidy && return; }
  buildah rmi --all --force >/dev/null # all else was built on the one before
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$built/root.tar" / >/dev/null
  buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    --env LANG=C.UTF-8 --cmd python3 "$container"
  buildah commit --quiet --rm "$container" $python_image >/dev/null
  echo "$built" >"$cache/buildah/python"
}

tidy() { # the next build makes the builders' steps anew: they go too
  local mb
  mb=$(du -sm "$cache/buildah/store" | cut -f1)
  [ "$mb" -lt $store_limit_mb ] || {
    step "images that were replaced go: the store has $((mb / 1000)) GB"
    buildah rmi --prune --force >/dev/null
  }
}

build() { # NAME FOLDER [FILE [OPTION...]]
  # RUN steps use this machine's network, name servers and certificates; none stays in the image.
  buildah build --isolation chroot --network host --pull-never --layers \
    --volume "$certificates:$certificates:ro" --tag "$1" --file "${3:-$2/Dockerfile}" "${@:4}" "$2" \
    >"$logs/image.log" 2>&1 && return
  tail -n 20 "$logs/image.log" >&2
  fail "$1 was not built; all that was said: $logs/image.log"
}

size() { # NAME: to three digits, as buildah says it
  buildah images --format '{{.Size}}' "$1" | sed 's/ \(.\)B$/\U\1/' | numfmt --from=si
}

load() { # NAME...: from buildah's store to containerd, as one archive: they share most layers
  local layout=$state/images.oci manifests='' name id record new=() ids=()
  await_containerd
  for name in "$@"; do
    id=$(buildah images --no-trunc --quiet "$name")
    record=$(record_of "$name")
    [ "$(cat "$record" 2>/dev/null)" != "$id" ] || continue
    new+=("$name")
    ids+=("$id")
  done
  [ ${#new[@]} != 0 ] || return 0
  rm -rf "$layout"
  mkdir -p "$layout/blobs/sha256"
  for name in "${new[@]}"; do
    lay_out "$name"
  done
  printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  printf '{"schemaVersion":2,"manifests":[%s]}' "${manifests#,}" >"$layout/index.json"
  tar --create --directory "$layout" . | ctr images import - >>"$logs/images.log"
  rm -rf "$layout"
  for name in "${new[@]}"; do
    record_loaded "$name" "${ids[0]}"
    ids=("${ids[@]:1}")
  done
}

lay_out() { # NAME: adds it to $layout and $manifests; buildah's own layouts are compressed, slowly
  local one=$layout.one digest manifest
  rm -rf "$one"
  buildah push --quiet --disable-compression --format oci "$1" "dir:$one"
  manifest=$one/manifest.json
  digest=$(sha256sum "$manifest" | cut -d' ' -f1)
  manifests+=$(printf ',{"mediaType":"%s","digest":"sha256:%s","size":%d,"annotations":{"%s":"%s"}}' \
    application/vnd.oci.image.manifest.v1+json "$digest" "$(stat -c %s "$manifest")" \
    io.containerd.image.name "$1")
  mv "$manifest" "$one/$digest"
  rm "$one/version"
  mv "$one"/* "$layout/blobs/sha256/"
  rm -rf "$one"
}

await_containerd() { # a cluster that is coming up has it early, once all that it runs is built
  [ -S "$socket" ] || lock
  [ -S "$socket" ] || fail "No test cluster runs to load images into: make cluster-up"
}

record_of() { # NAME: which image the cluster has by that name; goes with the cluster
  echo "$state/images/${1//\//_}"
}

record_loaded() { # NAME ID
  local record
  record=$(record_of "$1")
  # Kubernetes gave the one before a name of its own, which would keep its layers.
  [ ! -e "$record" ] || ctr images rm "$(cat "$record")" >>"$logs/images.log" 2>&1 || true
  mkdir -p "$state/images"
  echo "$2" >"$record"
}

main "$@"
