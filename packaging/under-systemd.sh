#!/bin/sh
# Runs in a clean root whose first process is systemd, as a unit of its own: the packaged units start servers in their sandboxes, start again
# what dies and what hangs, and end them in order. Says "well" at the end. See packaging/package.py.
set -eu
fail() {
    echo "$1"
    systemctl status --no-pager --full 'starling@s' starling-up || true
    tail -n 20 /server.log
    exit 1
}
state() { systemctl show "$1" -p "$2" --value; }
until_is() { # UNIT PROPERTY VALUE
    for _ in $(seq 1 150); do
        [ "$(state "$1" "$2")" = "$3" ] && return
        sleep 0.2
    done
    fail "$1: $2 is $(state "$1" "$2") and never became $3"
}
for unit in starling@ starling-up; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    # Sooner than in earnest, so that this does not take minutes.
    printf '[Service]\nWatchdogSec=4s\nStandardOutput=append:/server.log\nStandardError=append:/server.log\n' \
        > "/etc/systemd/system/$unit.service.d/check.conf"
done
systemctl daemon-reload

mkdir -p /etc/starling
starling cluster plan --servers s=127.0.0.1:7440 --out /etc/starling/plan > /dev/null
echo 'plan: plan/s.plan.json' > /etc/starling/s.yaml
chown -R root:starling /etc/starling
chmod -R u=rwX,g=rX,o= /etc/starling
export STARLING_SERVERS=127.0.0.1:7460 STARLING_CLIENT_FILE=/etc/starling/plan/client.json
systemctl start starling@s || fail "starling@s does not start"
[ "$(state starling@s StatusText)" = "server s serves" ] || fail "starling@s does not say that it serves"
starling tuple write blog '["alice", "systemd", "kept"]' > /dev/null
echo "starling@s serves in its sandbox"
systemctl kill -s KILL starling@s
until_is starling@s NRestarts 1
until_is starling@s ActiveState active
starling timeline --request-timeout 20 | grep -q kept || fail "what was written is gone"
echo "killed, it was started again"
systemctl kill -s STOP starling@s
until_is starling@s NRestarts 2
until_is starling@s ActiveState active
echo "paused, it was found hanging, and started again"
systemctl stop starling@s
[ "$(state starling@s Result)" = success ] || fail "starling@s did not end in order"
echo "it ended in order"

starling cluster plan --servers x=127.0.0.1:7540,y=127.0.0.1:7541,z=127.0.0.1:7542 --out /etc/starling/three > /dev/null
{
    echo servers:
    for name in x y z; do echo "  - {name: $name, data: /var/lib/starling/$name, plan: three/$name.plan.json}"; done
} > /etc/starling/cluster.yaml
chown -R root:starling /etc/starling
chmod -R u=rwX,g=rX,o= /etc/starling
export STARLING_SERVERS=127.0.0.1:7560,127.0.0.1:7561,127.0.0.1:7562 STARLING_CLIENT_FILE=/etc/starling/three/client.json
systemctl start starling-up || fail "starling-up does not start"
starling tuple write blog '["bob", "systemd", "three"]' --request-timeout 20 > /dev/null
process() { sed -n 's/^server y of .*, pid \([0-9]*\),.*/\1/p' /var/log/starling/y.log | tail -n 1; }
killed=$(process)
kill -9 "$killed" || fail "server y is not there"
for _ in $(seq 1 100); do
    [ "$(process)" != "$killed" ] && break
    sleep 0.2
done
now=$(process)
[ "$now" != "$killed" ] || fail "server y was not started again"
systemctl stop starling-up
[ "$(state starling-up Result)" = success ] || fail "starling-up did not end in order"
[ ! -e "/proc/$now" ] || fail "it left a server behind"
echo "starling-up started three, started a killed one again, and ended all in order"
echo well
