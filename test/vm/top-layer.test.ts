// runner: tier=first seconds=60 needs=exported alone=preparation
import { rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { failToLogIn, logIn } from "../../fixtures/guest-shell.ts";
import { flattenOverlay, mountDisk } from "../../fixtures/loop-disk.ts";
import { run } from "../../fixtures/run.ts";
import { createComputer, powerOff, waitForReport } from "./computer.ts";

const PASSWORD = "correct horse";
const ROOT_PASSWORD = "battery staple";
const MIB = 1024 ** 2;

/** For all computers of their owner. In the image /lib, /bin and /sbin are links into /usr. */
const COMMON = String.raw`
cp -r --no-target-directory "$DEMO" .
rm etc/hostname
mkdir -p bin lib/modprobe.d lib/own srv
printf '#!/bin/sh\n/lib/own/helper\n' >bin/say-hello
printf '#!/bin/sh\necho hello from the top layer\n' >lib/own/helper
chmod 0755 bin/say-hello lib/own/helper
echo 'blacklist from_the_top_layer' >lib/modprobe.d/own.conf
cp "$IMAGE"/etc/passwd "$IMAGE"/etc/group "$IMAGE"/etc/shadow etc
echo 'ada:x:1000:1000:Ada:/home/ada:/bin/sh' >>etc/passwd
echo 'ada:x:1000:' >>etc/group
sed -i "s|^root:[^:]*:|root:$ROOT_HASH:|" etc/shadow
echo "ada:$HASH:20000:0:99999:7:::" >>etc/shadow
chown 0:42 etc/shadow; chmod 0640 etc/shadow
printf '127.0.0.1 localhost\n192.0.2.9 printer\n' >etc/hosts
echo common >etc/replaced-by-laptop
echo common >etc/deleted-by-laptop
`;

const LAPTOP = String.raw`
mkdir -p etc/skel lib/modprobe.d var/run/own usr/local/bin srv home/ada
printf 'search example.org\nnameserver 192.0.2.53\n' >etc/resolv.conf
ln -s /usr/share/zoneinfo/Etc/UTC etc/localtime
echo laptop >etc/replaced-by-laptop
touch etc/.wh.deleted-by-laptop etc/.wh.issue.net lib/modprobe.d/.wh.fbdev-blacklist.conf
touch etc/skel/.wh..wh..opq; echo own >etc/skel/.profile
echo in /run >var/run/own/note
cp /bin/true usr/local/bin/setuid; chmod 4755 usr/local/bin/setuid
cp /bin/true usr/local/bin/capable; setcap cap_net_raw+ep usr/local/bin/capable
echo linked >srv/one; ln srv/one srv/other
mkfifo -m 0620 srv/fifo
setfattr -n user.origin -v laptop srv/one
echo notes >home/ada/notes; chmod 0600 home/ada/notes
touch -d '2001-02-03 04:05:06.123456789Z' home/ada/notes
chown -R 1000:1000 home/ada; chmod 0700 home/ada
`;

const computer = await createComputer(t, "top-layer", "exported");
const machines = join(computer.workDir, "machines.img");
await makeTopLayers();

await t.test(
  "a computer comes up from an image with merged /usr and two top layers",
  async (t) => {
    const vm = await computer.start(t, {
      cmdline:
        "docker_image=demo-exported toplayer=LABEL=machines toplayer_path=common:laptop",
      upTo: "login",
      moreDisks: [machines],
    });
    const { boot, systemd, failedUnits } = await waitForReport(vm);
    t.equal(systemd, "running", failedUnits);
    t.equal(boot.image?.id, computer.machine.images["demo-exported:latest"]);
    t.equal(boot.toplayer?.name, "LABEL=machines:/common:/laptop");
    t.strictSame(boot.warnings, []);

    t.comment("login");
    await failToLogIn(vm, "ada", ROOT_PASSWORD);
    const ada = await logIn(vm, "ada", PASSWORD);
    t.equal(await ada("id -un; pwd; cat notes"), "ada\n/home/ada\nnotes");
    t.equal(await ada("say-hello"), "hello from the top layer");
    await t.rejects(ada("cat /etc/shadow"), /Permission denied/);
    vm.send("exit\r");
    await failToLogIn(vm, "root", PASSWORD);
    const shell = await logIn(vm, "root", ROOT_PASSWORD);

    t.comment("the links of the merged /usr, and what came through them");
    t.equal(
      await shell("readlink /lib /bin /sbin /var/run"),
      "usr/lib\nusr/bin\nusr/sbin\n/run",
    );
    t.match(
      await shell("modprobe --showconfig"),
      /^blacklist from_the_top_layer$/m,
    );
    await shell("mount -o subvolid=5 LABEL=linux /mnt");
    t.equal(
      await shell(
        "cd /mnt/docker_rwlayer && readlink var/run && cat run/own/note; cd",
      ),
      "/run\nin /run",
      "below the tmpfs at /run",
    );

    t.comment("names of hosts");
    t.equal(
      await shell("cat /etc/resolv.conf"),
      "search example.org\nnameserver 192.0.2.53",
    );
    t.match(await shell("getent ahosts localhost"), /^127\.0\.0\.1 /);
    t.match(await shell("getent ahosts printer"), /^192\.0\.2\.9 /);

    t.comment("what an engine left in the image");
    t.ok(
      boot.steps.some(({ step }) =>
        /left in the image: (?=.*\/\.dockerenv)(?=.*\/etc\/hostname)(?=.*\/etc\/hosts)(?=.*\/etc\/resolv\.conf)/.test(
          step,
        ),
      ),
    );
    await shell("test ! -e /.dockerenv && test ! -e /etc/hostname");
    t.equal(await shell("systemd-detect-virt --container || true"), "none");

    t.comment("whiteouts");
    t.equal(
      await shell(
        "ls -d /etc/deleted-by-laptop /etc/issue.net /lib/modprobe.d/fbdev-blacklist.conf 2>/dev/null || true",
      ),
      "",
    );
    t.equal(
      await shell("find /etc/skel | sort"),
      "/etc/skel\n/etc/skel/.profile",
    );
    t.equal(
      await shell("cat /etc/skel/.profile /etc/replaced-by-laptop"),
      "own\nlaptop",
    );
    t.equal(await shell("find / -xdev -name '.wh.*'"), "");

    t.comment("kinds, modes, owners, times");
    t.equal(
      await shell("readlink /etc/localtime"),
      "/usr/share/zoneinfo/Etc/UTC",
    );
    t.strictSame(
      await shell(
        "stat -c '%n %A %U:%G' /etc/shadow /home/ada /home/ada/notes /usr/local/bin/setuid /usr/lib/own/helper /srv/fifo",
      ),
      [
        "/etc/shadow -rw-r----- root:shadow",
        "/home/ada drwx------ ada:ada",
        "/home/ada/notes -rw------- ada:ada",
        "/usr/local/bin/setuid -rwsr-xr-x root:root",
        "/usr/lib/own/helper -rwxr-xr-x root:root",
        "/srv/fifo prw--w---- root:root",
      ].join("\n"),
    );
    t.equal(
      await shell("TZ=UTC stat -c %y /home/ada/notes"),
      "2001-02-03 04:05:06.123456789 +0000",
    );
    t.equal(
      await shell("test /srv/one -ef /srv/other && stat -c %h /srv/one"),
      "2",
    );
    t.equal(await shell("grep -c /dev/vdb /proc/mounts || true"), "0");
    await powerOff(vm);

    // The image has no program that shows them.
    t.comment("xattrs, as they are on the disk");
    const flat = join(computer.workDir, "flat.img");
    t.teardown(() => rm(flat));
    await flattenOverlay(computer.overlay, flat);
    const disk = await mountDisk(flat, join(computer.workDir, "mnt"), ["ro"]);
    t.teardown(disk.close);
    const root = join(disk.mountPoint, "docker_rwlayer");
    t.equal(
      await run([
        ...["getfattr", "--only-values", "--absolute-names"],
        ...["--name=user.origin", join(root, "srv/other")],
      ]),
      "laptop",
    );
    t.match(
      await run(["getcap", join(root, "usr/local/bin/capable")]),
      / cap_net_raw=ep$/,
    );
  },
);

/** Makes a disk with an ext4 labelled `machines`, with the top layers `common` and `laptop`. */
async function makeTopLayers(): Promise<void> {
  await writeFile(machines, "");
  await truncate(machines, 64 * MIB);
  await run(["mkfs.ext4", "-q", "-L", "machines", machines]);
  const disk = await mountDisk(machines, join(computer.workDir, "machines"));
  try {
    const env = {
      DEMO: join(import.meta.dirname, "../../demo/toplayer"),
      IMAGE: join(computer.cached, "image"),
      HASH: await hashPassword(PASSWORD),
      ROOT_HASH: await hashPassword(ROOT_PASSWORD),
    };
    for (const [name, script] of Object.entries({
      common: COMMON,
      laptop: LAPTOP,
    })) {
      const directory = join(disk.mountPoint, name);
      await run(["mkdir", directory]);
      await run(["sh", "-ec", script], { cwd: directory, env });
    }
  } finally {
    await disk.close();
  }
}

/** As /etc/shadow has it. */
function hashPassword(password: string): Promise<string> {
  return run(["openssl", "passwd", "-6", "-stdin"], { input: password });
}
