#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts a private copy of the distribution's oneDNN under a folder, without root and without a write elsewhere:
#   provide-onednn.sh FOLDER
# FOLDER then holds the unpacked packages (usr/include, usr/lib) and a file named `complete`. Works on Debian and
# its relatives. Exit status 3: this system has no apt. Other failures print one line on stderr.
set -eu
export LC_ALL=C

say() { echo "oneDNN: $*" >&2; }
die() { say "$*"; exit 1; }

[ $# -eq 1 ] || die "usage: provide-onednn.sh FOLDER"
for tool in apt-get apt-cache apt-config dpkg dpkg-deb; do
  command -v "$tool" >/dev/null 2>&1 || exit 3
done

mkdir -p "$(dirname "$1")"
target=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
[ ! -e "$target/complete" ] || exit 0
work=$target.partial
rm -rf "$work" "$target"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root" "$work/debs" "$work/apt/conf" "$work/apt/cache/archives/partial" "$work/apt/lists/partial"
log=$work/apt/log

# apt with the system's sources, keys and proxies, but with its own cache, and with none of the system's hooks (some
# container images delete files of the system's cache in one). A folder of settings, read after a copy of the system's,
# is the only way to remove a hook.
system_conf=
eval "$(apt-config shell system_conf Dir::Etc::parts/d)"
for file in "$system_conf"/*; do
  if [ -f "$file" ] && [ -r "$file" ]; then cp "$file" "$work/apt/conf/"; fi
done
cat >"$work/apt/conf/zzz-private" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "$(id -un 2>/dev/null || id -u)";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Dir::Cache "$work/apt/cache/";
CONF
echo "Dir::Etc::parts \"$work/apt/conf/\";" >"$work/apt/apt.conf"
export APT_CONFIG="$work/apt/apt.conf"

# The packages that $1 depends on: the first of each group of alternatives.
depends() {
  apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" |
    awk '/Depends: / { if (!skip && $2 !~ /^</) print $2; skip = /^ *\|/ } '
}

# Virtual packages (<name>) are passed over by depends(); so are packages that are installed already.
installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }

unpack() {
  say "unpacking $1"
  (cd "$work/debs" && apt-get download -q "$1") >>"$log" 2>&1 || return 1
  for deb in "$work/debs/${1%%:*}"_*.deb; do dpkg-deb -x "$deb" "$work/root"; done
}

# An index of packages may be missing (as in a fresh container) or older than what its server still has.
if ! apt-cache show libdnnl-dev >/dev/null 2>&1 || ! unpack libdnnl-dev; then
  say "reading the list of packages"
  echo "Dir::State::lists \"$work/apt/lists/\";" >>"$work/apt/conf/zzz-private"
  apt-get update -q >>"$log" 2>&1 || { tail -n 3 "$log" >&2; die "apt-get update failed: is there a network?"; }
  apt-cache show libdnnl-dev >/dev/null 2>&1 ||
    die "the package sources of this system have no libdnnl-dev (on Ubuntu it is in 'universe')"
  unpack libdnnl-dev || { tail -n 3 "$log" >&2; die "apt-get download libdnnl-dev failed"; }
fi

find_library() { find "$work/root" \( -type f -o -type l \) -name "$1" | head -n 1; }
missing() {
  library=$(find_library 'libdnnl.so.*')
  [ -n "$library" ] || { echo libdnnl.so; return; }
  LD_LIBRARY_PATH=$(dirname "$library") ldd "$library" | awk '/not found/ { print $1 }'
}

# The library itself, then what it needs and this system lacks, one level of dependencies at a time.
level=libdnnl-dev
while [ -n "$(missing)" ]; do
  next=
  for package in $level; do
    for needed in $(depends "$package"); do
      installed "$needed" && continue
      case " $next " in *" $needed "*) continue ;; esac
      unpack "$needed" || { tail -n 3 "$log" >&2; die "apt-get download $needed failed"; }
      next="$next $needed"
    done
  done
  [ -n "$next" ] || die "no package of this system holds $(missing | tr '\n' ' ')"
  level=$next
done

(cd "$work/debs" && ls) >"$work/root/complete"
mv "$work/root" "$target"
