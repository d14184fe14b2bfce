import t from "tap";
import { safeMode } from "../../../runtime/tree/safe-mode.ts";

// The modes of what comes from a filesystem that keeps none.

const FILES: Readonly<Record<string, number>> = {
  "etc/hostname": 0o644,
  "etc/keymap": 0o644,
  "etc/ssl/certs/server.pem": 0o644,
  "etc/ssl/certs/server.crt": 0o644,
  "usr/local/bin/tool": 0o755,
  "etc/shadow": 0o600,
  "ETC/SHADOW": 0o600,
  "etc/letsencrypt/archive/example.org/privkey1.pem": 0o600,
  "etc/letsencrypt/live/example.org/privkey.pem": 0o600,
  "etc/ssl/server-key.pem": 0o600,
  "etc/ppp/chap-secrets": 0o600,
  "etc/ppp/pap-secrets": 0o600,
  "etc/security/opasswd": 0o600,
  "root/bin/tool": 0o700,
  "etc/systemd/network/wg0.netdev": 0o600,
  "etc/systemd/network/wg0.netdev.d/peer.conf": 0o600,
  "etc/systemd/network/wg0.network": 0o644,
  "etc/netplan/50-wifi.yaml": 0o600,
  "var/lib/iwd/work.8021x": 0o600,
  "etc/openvpn/client/home.ovpn": 0o600,
  "etc/cryptsetup-keys.d/data.key": 0o600,
  "etc/cryptsetup-keys.d/data": 0o600,
  "etc/ipsec.secrets": 0o600,
  "etc/tinc/home/rsa_key.priv": 0o600,
  "etc/postfix/sasl_passwd": 0o600,
  "etc/samba/secrets.tdb": 0o600,
  "etc/.smbcredentials": 0o600,
};

t.test("files that hold secrets are root's alone", (t) => {
  for (const [file, mode] of Object.entries(FILES)) {
    t.equal(safeMode(file, "file").toString(8), mode.toString(8), file);
  }
  t.end();
});
