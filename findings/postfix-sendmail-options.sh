#!/usr/bin/env bash
# Postfix 3.7.11 (Debian 12): what its sendmail(1) does with options that old programs and scripts use.
#
# The manual says that -X and -n are ignored; both are fatal. An address before an option makes the option an address.
# -V takes an envelope id of two characters for the old switch for VERP, so its "argument" becomes a recipient. -q30m
# with a recipient reports success and queues nothing. -B takes upper case only, -R any. Usage errors are
# 75 (try again later), not 64, so a caller that retries never learns that its command line is wrong.
#
# Run as root on Debian 12 (amd64 or arm64): ./postfix-sendmail-options.sh
set -euo pipefail
version=3.7.11-0+deb12u1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work/deb" && chmod 777 "$work/deb"
(cd "$work/deb" && apt-get download -qq "postfix=$version" >/dev/null)
dpkg -x "$work"/deb/postfix_*.deb "$work/root"

export LD_LIBRARY_PATH="$work/root/usr/lib/postfix" MAIL_CONFIG="$work/etc"
mkdir -p "$work/etc" "$work"/queue/{maildrop,public,pid}
cat >"$work/etc/main.cf" <<CONFIG
compatibility_level = 3.6
queue_directory = $work/queue
command_directory = $work/root/usr/sbin
daemon_directory = $work/root/usr/lib/postfix/sbin
shlib_directory = $work/root/usr/lib/postfix
myhostname = h.example
myorigin = h.example
mail_owner = daemon
setgid_group = mail
CONFIG
touch "$work/etc/dynamicmaps.cf"
chown daemon:mail "$work/queue/maildrop"
chmod 1730 "$work/queue/maildrop"

failed=0
# check TITLE EXIT RECIPIENTS OPTION…: the exit status, and the recipients of what was queued ("-": nothing was).
check() {
  local title=$1 status=$2 recipients=$3 got=0 found=- file
  shift 3
  rm -f "$work"/queue/maildrop/*
  printf 'Subject: x\n\nhi\n' | "$work/root/usr/sbin/sendmail" "$@" >"$work/out" 2>&1 || got=$?
  for file in "$work"/queue/maildrop/*; do
    [ -e "$file" ] || continue
    found=$("$work/root/usr/sbin/postcat" "$file" | sed -n 's/^recipient: //p' | paste -sd ' ')
  done
  printf '%-58s exit %-2s recipients %s\n' "$title" "$got" "$found"
  [ "$got" = "$status" ] && [ "$found" = "$recipients" ] || { failed=1; echo "  expected: exit $status, recipients $recipients"; sed 's/^/  /' "$work/out"; }
}

check '-X FILE is fatal, though the manual says it is ignored' 75 - -X "$work/log" r@x.example
check '-n is fatal, though the manual says it is ignored' 75 - -n r@x.example
check 'an option behind an address is an address' 0 'r@x.example -i' r@x.example -i
check '-V env1 is an envelope id' 0 'r@x.example' -V env1 r@x.example
check '-V e1 makes a recipient of e1' 0 'e1 r@x.example' -V e1 r@x.example
check '-q30m with a recipient: success, and nothing is queued' 0 - -q30m r@x.example
check '-B 8BITMIME is taken' 0 'r@x.example' -B 8BITMIME r@x.example
check '-B 8bitmime is fatal' 75 - -B 8bitmime r@x.example
check '-R hdrs is taken' 0 'r@x.example' -R hdrs r@x.example
check '-R HDRS is taken' 0 'r@x.example' -R HDRS r@x.example
check 'a usage error is 75' 75 - -Z r@x.example
exit "$failed"
