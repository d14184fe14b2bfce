import t from "tap";
import { findLogins } from "../../../installer/toplayer/rules/logins.ts";
import { copyMachine, gatherMachine } from "./captured-machine.ts";

type File = readonly [path: string, text: string];

/** Each by itself logs somebody in without a password. */
const AUTOMATIC: readonly File[] = [
  [
    "etc/systemd/system/getty@tty1.service.d/auto.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin alice - $TERM\n",
  ],
  [
    "etc/systemd/system/getty@tty1.service.d/auto.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty -a alice --noclear %I\n",
  ],
  [
    "usr/lib/systemd/system/getty@tty1.service.d/a.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n",
  ],
  [
    "etc/systemd/system/serial-getty@ttyS0.service.d/a.conf",
    "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root %I\n",
  ],
  [
    "etc/systemd/system/getty@tty1.service",
    "[Service]\nExecStart=-/sbin/agetty --autologin root %I\n",
  ],
  ["etc/credstore/agetty.autologin", "alice"],
  ["etc/inittab", "1:2345:respawn:/sbin/agetty --autologin root tty1 linux\n"],
  ["etc/inittab", "tty1::respawn:/bin/login -f root\n"],
  ["etc/inittab", "::askfirst:-/bin/sh\n#tty2::askfirst:-/bin/sh\n"],
  ["etc/conf.d/agetty.tty1", 'agetty_options="--autologin root"\n'],
  ["etc/sv/agetty-tty1/conf", 'GETTY_ARGS="--autologin alice"\n'],
  ["etc/sv/agetty-tty1/conf", 'GETTY_ARGS="-a alice"\n'],
  [
    "etc/runit/sv/agetty-tty1/run",
    "#!/bin/sh\nexec agetty -a alice tty1 38400 linux\n",
  ],
  [
    "etc/greetd/config.toml",
    '[initial_session]\ncommand = "sway"\nuser = "alice"\n',
  ],
  [
    "etc/greetd/config.toml",
    '[default_session]\ncommand = "sway"\nuser = "alice"\n',
  ],
  ["etc/ly/config.ini", "auto_login_user = alice\n"],
  ["etc/gdm3/daemon.conf", "[daemon]\nAutomaticLogin = alice\n"],
  ["etc/sddm.conf.d/a.conf", "[Autologin]\nUser=alice\n"],
  ["etc/lightdm/lightdm.conf", "autologin-user=alice\n"],
];

/** None of these does. */
const NOT_AUTOMATIC: readonly File[] = [
  [
    "etc/systemd/system/getty@tty1.service.d/noclear.conf",
    "[Service]\n#ExecStart=-/sbin/agetty --autologin alice %I\nExecStart=-/sbin/agetty -o '-p -- \\u' --noclear - $TERM\n",
  ],
  ["etc/inittab", "1:2345:respawn:/sbin/agetty --noclear tty1 linux\n"],
  ["etc/inittab", "# tty2::askfirst:-/bin/sh\n"],
  ["etc/conf.d/agetty.tty1", 'agetty_options="--noclear"\n'],
  [
    "etc/greetd/config.toml",
    '[default_session]\ncommand = "agreety --cmd sway"\nuser = "greeter"\n',
  ],
  ["etc/ly/config.ini", "auto_login_user = null\n"],
  ["etc/nsswitch.conf", "passwd: files systemd\n"],
  ["etc/gdm3/daemon.conf", "[daemon]\n#  AutomaticLogin = user1\n"],
  ["etc/sddm.conf", "[Autologin]\nUser=\nSession=\n"],
  ["etc/lightdm/lightdm.conf", "#autologin-user=\n"],
  ["etc/motd", "autologin-user=alice\n"],
];

const machine = await gatherMachine(
  copyMachine("machine-debian-12", t.testdir()),
);

/** The captured machine's logins, with one more file in it. */
function loginsWith([file, text]: File): ReturnType<typeof findLogins> {
  const whole = `/${file}`;
  return findLogins({
    texts: machine.texts,
    readText: (path) => (path === whole ? text : machine.readText(path)),
    stands: (path) =>
      `${whole}/`.startsWith(`${path}/`) || machine.stands(path),
    namesIn: (path) =>
      whole.startsWith(`${path}/`)
        ? [whole.slice(path.length + 1).split("/")[0] ?? ""]
        : machine.namesIn(path),
  });
}

t.test("files that log somebody in without a password", (t) => {
  for (const file of AUTOMATIC) {
    t.equal(loginsWith(file).automatic, `/${file[0]}`, file.join(": "));
  }
  t.end();
});

t.test("files that look like it, and log nobody in", (t) => {
  for (const file of NOT_AUTOMATIC) {
    const { automatic, unread } = loginsWith(file);
    t.strictSame([automatic, unread], [undefined, undefined], file.join(": "));
  }
  t.end();
});

t.test("accounts and consoles that dockroot does not read", (t) => {
  t.equal(
    loginsWith(["etc/dinit.d/boot", "type = internal\n"]).unread,
    "dinit sets up the consoles",
  );
  t.equal(
    loginsWith(["etc/nsswitch.conf", "passwd: files sss systemd\n"]).unread,
    "/etc/nsswitch.conf takes users from sss, too",
  );
  t.end();
});
