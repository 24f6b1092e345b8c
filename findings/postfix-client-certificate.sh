#!/usr/bin/env bash
# Postfix 3.7.11 (Debian 12): a server that demands a client certificate says so after TLS, as a reply of SMTP.
#
# With smtpd_tls_security_level = encrypt and smtpd_tls_req_ccert = yes one expects a TLS alert for a client that has no
# certificate. The handshake succeeds; the next EHLO is answered "421 4.7.1 … No client certificate presented". A client
# that only watches the handshake takes TLS for working and the server for a passing fault. In clear the same server
# says 530, so a client that falls back to clear text must not take that for final.
#
# Run as root on Debian 12 with python3 and openssl: ./postfix-client-certificate.sh (PORT=N for another port)
set -euo pipefail
version=3.7.11-0+deb12u1
port=${PORT:-12526}
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
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=h.example \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
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
smtpd_tls_cert_file = $work/cert.pem
smtpd_tls_key_file = $work/key.pem
smtpd_tls_CAfile = $work/cert.pem
smtpd_tls_security_level = encrypt
smtpd_tls_req_ccert = yes
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
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
client = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20)
client.ehlo("client.example")
started = client.starttls(context=context)
version = client.sock.version()
answer = client.ehlo("client.example")
print("STARTTLS:", started[0], version, "| EHLO under TLS:", answer[0], answer[1].decode())
clear = smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=20)
clear.ehlo("client.example")
refused = clear.docmd("MAIL", "FROM:<a@b.example>")
clear.quit()
print("MAIL in clear:", refused[0], refused[1].decode())
good = started[0] == 220 and answer[0] == 421 and b"certificate" in answer[1] and refused[0] == 530
sys.exit(0 if good else 1)
PYTHON
