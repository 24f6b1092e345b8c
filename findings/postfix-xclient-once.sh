#!/usr/bin/env bash
# Postfix 3.7.11 (Debian 12): who may say XCLIENT is asked again about the address that an XCLIENT has stated.
#
# smtpd_authorized_xclient_hosts lists the proxy at 127.0.0.1. Once the proxy has stated another address, EHLO offers
# XCLIENT no more, and a second XCLIENT on the same connection is "550 5.7.0": a proxy cannot use one connection for
# several clients, and a client whose commands are handed through cannot speak for somebody else.
#
# Run as root on Debian 12 with python3: ./postfix-xclient-once.sh (PORT=N for another port)
set -euo pipefail
version=3.7.11-0+deb12u1
port=${PORT:-12525}
work=$(mktemp -d)
master=
finish() {
  if [ -n "$master" ]; then kill "$master" 2>/dev/null; wait "$master" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"
mkdir "$work/deb" && chmod 777 "$work/deb"
(cd "$work/deb" && apt-get download -qq "postfix=$version" >/dev/null)
dpkg -x "$work"/deb/postfix_*.deb "$work/root"

export LD_LIBRARY_PATH="$work/root/usr/lib/postfix" MAIL_CONFIG="$work/etc"
mkdir -p "$work/etc" "$work/queue" "$work/data"
chown daemon "$work/data"
cat >"$work/etc/main.cf" <<CONFIG
compatibility_level = 3.6
queue_directory = $work/queue
data_directory = $work/data
command_directory = $work/root/usr/sbin
daemon_directory = $work/root/usr/lib/postfix/sbin
shlib_directory = $work/root/usr/lib/postfix
mail_owner = daemon
setgid_group = mail
myhostname = h.example
mydestination = h.example
mynetworks = 127.0.0.1/32
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
maillog_file = $work/log
maillog_file_prefixes = /
smtpd_authorized_xclient_hosts = 127.0.0.1
CONFIG
touch "$work/etc/dynamicmaps.cf"
cat >"$work/etc/master.cf" <<CONFIG
127.0.0.1:$port inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
CONFIG
mkdir -p "$work"/queue/{pid,private,public,maildrop,incoming,active,deferred,bounce,defer,flush,trace,saved,corrupt,hold}
chown daemon "$work"/queue/{private,public,maildrop,incoming,active,deferred,bounce,defer,flush,trace,saved,corrupt,hold}
"$work/root/usr/lib/postfix/sbin/master" -c "$work/etc" -d >"$work/master.out" 2>&1 &
master=$!
for _ in $(seq 100); do
  (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
  sleep 0.1
done

python3 - "$port" <<'PYTHON'
import smtplib, sys
client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20)
client.ehlo("proxy.example")
offered = "xclient" in client.esmtp_features
first = client.docmd("XCLIENT", "ADDR=198.51.100.7 NAME=[UNAVAILABLE]")
client.ehlo("client.example")
again = "xclient" in client.esmtp_features
second = client.docmd("XCLIENT", "ADDR=198.51.100.8 NAME=[UNAVAILABLE]")
client.quit()
print("offered to the proxy:", offered, "| first XCLIENT:", first[0])
print("offered behind it:", again, "| second XCLIENT:", second[0], second[1].decode())
sys.exit(0 if (offered, first[0], again, second[0]) == (True, 220, False, 550) else 1)
PYTHON
