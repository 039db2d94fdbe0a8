"""Makes the Debian package, and checks it in a clean root. See script/package."""

import glob
import json
import os
import shutil
import subprocess
import sys
import time

PROGRAM = ".build/release/starling"
OUT = ".build/package"
ROOT = f"{OUT}/root"
DEPENDS = "libc6 (>= 2.36), libgcc-s1, libstdc++6, libzmq5, libre2-9, libedit2, passwd"
DESCRIPTION = """microblog and tuplespace that no single machine can take down
 Three to seven servers keep one Linda-style tuplespace in agreement through Raft.
 Any server takes any request; a majority alive is enough; an acknowledged write is
 never lost, doubled or reordered. With a web page, a command line, HTTP and ZeroMQ."""


def run(*words, **more):
    return subprocess.run(words, check=True, text=True, **more)


def output(*words):
    return run(*words, capture_output=True).stdout


def install(source, target, mode=0o644):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    os.chmod(target, mode)


def runtime_libraries():
    """Of Swift, which Debian does not have: they go beside the program, where it looks for them."""
    libraries = []
    for line in output("ldd", PROGRAM).splitlines():
        name, _, rest = line.strip().partition(" => ")
        path = rest.split(" (")[0]
        if "/swift/" in path:
            libraries.append((name, path))
    if not libraries:
        sys.exit(f"{PROGRAM} needs no library of Swift's: is it linked statically now? Then this script is out of date")
    return libraries


def build():
    version = json.loads(output(PROGRAM, "version", "--json"))["version"]
    architecture = output("dpkg", "--print-architecture").strip()
    tree = f"{OUT}/starling_{version}_{architecture}"
    shutil.rmtree(tree, ignore_errors=True)
    lib = f"{tree}/usr/lib/starling"
    install(PROGRAM, f"{lib}/starling", 0o755)
    for name, path in runtime_libraries():
        install(path, f"{lib}/{name}")
    run("strip", "--strip-unneeded", f"{lib}/starling")
    os.makedirs(f"{tree}/usr/bin")
    os.symlink("../lib/starling/starling", f"{tree}/usr/bin/starling")
    for unit in glob.glob("packaging/systemd/*.service"):
        install(unit, f"{tree}/lib/systemd/system/{os.path.basename(unit)}")
    for shell, place in (("bash", "bash-completion/completions/starling"), ("zsh", "zsh/vendor-completions/_starling"),
                         ("fish", "fish/vendor_completions.d/starling.fish")):
        target = f"{tree}/usr/share/{place}"
        os.makedirs(os.path.dirname(target))
        with open(target, "w", encoding="utf-8") as file:
            file.write(output(PROGRAM, "completions", shell))
    documents = f"{tree}/usr/share/doc/starling"
    for source in ("README.md", "CHANGELOG.md", "docs/http-api.md", "docs/correctness.md",
                   *glob.glob("docs/operations/*.md"), *glob.glob("docs/formats/*.md")):
        install(source, f"{documents}/{source.removeprefix('docs/')}")
    install("LICENSE", f"{documents}/copyright")
    for source in ("packaging/prometheus/starling-alerts.yml", "packaging/grafana/starling.json"):
        install(source, f"{tree}/usr/share/starling/{os.path.basename(source)}")
    control(tree, version, architecture)
    run("dpkg-deb", "--build", "--root-owner-group", "-Zxz", "-z1", tree, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return f"{tree}.deb"


def control(tree, version, architecture):
    os.makedirs(f"{tree}/DEBIAN")
    size = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(tree) for name in names
               if not os.path.islink(os.path.join(place, name)))
    with open(f"{tree}/DEBIAN/control", "w", encoding="utf-8") as file:
        file.write(f"Package: starling\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: The Starling founders "
                   f"<starling@localhost>\nInstalled-Size: {size // 1024}\nDepends: {DEPENDS}\nSection: net\nPriority: optional\n"
                   f"Description: {DESCRIPTION}\n")
    for script in ("postinst", "prerm", "postrm"):
        install(f"packaging/debian/{script}", f"{tree}/DEBIAN/{script}", 0o755)


# ---- The check

def inside(*words, check=True, **more):
    """In the clean root, with a network namespace of its own for its ports."""
    return subprocess.run(["unshare", "--net", "--", "chroot", ROOT, *words], check=check, text=True, **more)


def clean_root():
    """Debian and nothing else; made once and copied."""
    base = f"{OUT}/debian"
    if not os.path.exists(f"{base}/bin/sh"):
        shutil.rmtree(base, ignore_errors=True)
        print("making a clean root: about a minute", flush=True)
        run("debootstrap", "--variant=minbase", "bookworm", base, stdout=subprocess.DEVNULL)
    shutil.rmtree(ROOT, ignore_errors=True)
    run("cp", "-a", base, ROOT)


STORY = """
set -e
ip link set lo up 2>/dev/null || true
cd /tmp
starling cluster plan --servers a=127.0.0.1:7440 --out plan >/dev/null
export STARLING_SERVERS=127.0.0.1:7460 STARLING_CLIENT_FILE=/tmp/plan/client.json
chown -R starling plan
setpriv --reuid=starling --regid=starling --clear-groups starling serve --name a --data /var/lib/starling/a --plan plan/a.plan.json > a.log 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
starling tuple write blog '["alice", "packages", "from a clean root"]' --request-timeout 20
starling timeline | grep 'from a clean root'
kill $server
wait $server
"""


def check(package):
    clean_root()
    # As every system has it: the loader finds out by it where the program lies.
    run("mount", "-t", "proc", "proc", f"{ROOT}/proc")
    try:
        use(package)
    finally:
        run("umount", "-l", f"{ROOT}/proc")
    shutil.rmtree(ROOT)


# A root of its own with systemd as its first process; nothing of it is seen outside, and it ends with its process.
BOOT = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
mount --rbind /dev "$1/dev"
mkdir -p "$1/.old"
cd "$1"
pivot_root . .old
umount -l /.old
ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=starling /lib/systemd/systemd --system --unit=starling-check.service \\
    --log-target=null --show-status=no
"""
CHECK_UNIT = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh /under-systemd.sh
StandardOutput=append:/check.out
StandardError=append:/check.out
ExecStopPost=/bin/systemctl poweroff --force
"""


def run_under_systemd():
    install("packaging/under-systemd.sh", f"{ROOT}/under-systemd.sh", 0o755)
    with open(f"{ROOT}/etc/systemd/system/starling-check.service", "w", encoding="utf-8") as file:
        file.write(CHECK_UNIT)
    try:
        subprocess.run(
            ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child", "bash", "-c", BOOT,
             "boot", os.path.abspath(ROOT)], timeout=180, check=False, capture_output=True)
    except subprocess.TimeoutExpired:
        print("systemd did not end within three minutes")
    said = open(f"{ROOT}/check.out", encoding="utf-8").read() if os.path.exists(f"{ROOT}/check.out") else ""
    if not said.endswith("well\n"):
        sys.exit(f"the units do not work under systemd:\n{said}")
    print(said.removesuffix("well\n"), end="", flush=True)


def use(package):
    name = os.path.basename(package)
    shutil.copyfile(package, f"{ROOT}/tmp/{name}")
    # With the machine's network: what it depends on comes from Debian.
    run("chroot", ROOT, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends",
        f"/tmp/{name}", "iproute2", "systemd", stdout=subprocess.DEVNULL)
    print("installed in a clean root")
    print(inside("starling", "version", capture_output=True).stdout.strip())
    result = inside("sh", "-c", STORY, check=False, capture_output=True)
    if result.returncode != 0:
        log = open(f"{ROOT}/tmp/a.log", encoding="utf-8").read() if os.path.exists(f"{ROOT}/tmp/a.log") else ""
        sys.exit(f"what was installed does not work:\n{result.stdout}{result.stderr}{log}")
    print("a server ran there as the user starling, took a post, showed it, and ended in order")
    run_under_systemd()
    run("chroot", ROOT, "dpkg", "--purge", "starling", stdout=subprocess.DEVNULL)
    left = [path for path in ("usr/bin/starling", "usr/lib/starling", "lib/systemd/system/starling@.service")
            if os.path.lexists(f"{ROOT}/{path}")]
    if left or not os.path.isdir(f"{ROOT}/var/lib/starling/a"):
        sys.exit(f"removing it left {left}, or took what the server stored")
    print("removed; what the server stored is still there")


def main():
    began = time.monotonic()
    os.makedirs(OUT, exist_ok=True)
    package = build()
    print(f"{package}: {os.path.getsize(package) >> 20} MiB, {time.monotonic() - began:.0f} s")
    if "--check" in sys.argv[1:]:
        check(package)


main()
