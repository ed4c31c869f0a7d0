#!/bin/sh
# Make the file system of the image in a new directory: the program, the certificates that it trusts, and a home for its database.
# The Dockerfile runs this, and so does deploy/image_test.go, where there is no container engine.
#
#   deploy/image/root.sh DIRECTORY [VERSION]
set -eu
root=${1:?the directory to make}
version=${2:-}
[ ! -e "$root" ] || { echo "$root is there already" >&2; exit 1; }
certificates=/etc/ssl/certs/ca-certificates.crt
[ -s "$certificates" ] || { echo "$certificates is missing: install the package ca-certificates" >&2; exit 1; }
cd "$(dirname "$0")/../.."

mkdir -p "$root/usr/local/bin" "$root/etc/ssl/certs" "$root/data"
# timetzdata: policies name time zones, and the image has no other files with them.
CGO_ENABLED=0 go build -tags timetzdata \
  -ldflags "-s -w -X github.com/changegate/changegate/internal/cli.version=$version" \
  -o "$root/usr/local/bin/changegate" ./cmd/changegate
cp "$certificates" "$root$certificates"
echo 'changegate:x:65532:65532::/data:/sbin/nologin' > "$root/etc/passwd"
echo 'changegate:x:65532:' > "$root/etc/group"
chmod 700 "$root/data"
