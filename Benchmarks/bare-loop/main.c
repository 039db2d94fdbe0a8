// The bare loop: what three processes, ZeroMQ and the disk give on this machine when nothing is decided, parsed or
// indexed. A leader with a ROUTER for clients appends each batch to its log and sends it to two followers; a request
// is answered when two of the three have it on disk. It is an upper bound to measure a consensus by, not a database:
// it has no terms, no elections, no recovery.
#include "bare.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

static const char usage[] =
    "usage: bare-loop --data DIR --requests N [--sessions N] [--connections N] [--size BYTES] [--warm-up N]\n"
    "                 [--curve | --no-curve] [--zero-filled yes|no] [--timeout SECONDS] [--json]\n"
    "Starts a leader and two followers, writes N records through them, and prints the rate. DIR must exist.\n"
    "Defaults: 64 sessions, 8 connections, 256 bytes, CURVE, a zero-filled log, 60 seconds, no more warm-up than\n"
    "four requests a session.\n";

static _Noreturn void misuse(const char *why) {
    fprintf(stderr, "bare-loop: %s\n%s", why, usage);
    exit(2);
}

static long number(const char *text, long least, long most) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *text == 0 || *end != 0 || value < least || value > most) misuse("a number is out of its bounds");
    return value;
}

static bool yes_or_no(const char *text) {
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0) misuse("--zero-filled is yes or no");
    return strcmp(text, "yes") == 0;
}

static struct options parse(int count, char **arguments) {
    enum { SESSIONS = 1, CONNECTIONS, REQUESTS, WARM_UP, SIZE, CURVE, NO_CURVE, ZERO, TIMEOUT, DATA, JSON, HELP };
    static const struct option known[] = {
        {"sessions", 1, 0, SESSIONS}, {"connections", 1, 0, CONNECTIONS}, {"requests", 1, 0, REQUESTS},
        {"warm-up", 1, 0, WARM_UP},   {"size", 1, 0, SIZE},               {"curve", 0, 0, CURVE},
        {"no-curve", 0, 0, NO_CURVE}, {"zero-filled", 1, 0, ZERO},        {"timeout", 1, 0, TIMEOUT},
        {"data", 1, 0, DATA},         {"json", 0, 0, JSON},               {"help", 0, 0, HELP}, {0, 0, 0, 0},
    };
    struct options o = {
        .sessions = 64, .connections = 8, .payload = 256, .warm_up = -1,
        .curve = true, .zero_filled = true, .timeout = 60,
    };
    for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) switch (option) {
        case SESSIONS: o.sessions = (int)number(optarg, 1, MAX_SESSIONS); break;
        case CONNECTIONS: o.connections = (int)number(optarg, 1, 1000); break;
        case REQUESTS: o.requests = number(optarg, 1, 1000000000); break;
        case WARM_UP: o.warm_up = number(optarg, 0, 1000000000); break;
        case SIZE: o.payload = (size_t)number(optarg, 1, MAX_PAYLOAD); break;
        case CURVE: o.curve = true; break;
        case NO_CURVE: o.curve = false; break;
        case ZERO: o.zero_filled = yes_or_no(optarg); break;
        case TIMEOUT: o.timeout = (int)number(optarg, 1, 86400); break;
        case DATA: o.directory = optarg; break;
        case JSON: o.json = true; break;
        case HELP: fputs(usage, stdout); exit(0);
        default: misuse("an option is unknown or incomplete");
        }
    if (optind != count || !o.directory || o.requests == 0) misuse("--data and --requests are needed, and no more");
    if (o.connections > o.sessions) misuse("more connections than sessions");
    if ((size_t)o.sessions * o.payload > SEGMENT_BYTES / 64) misuse("sessions times size is at most a mebibyte");
    if (o.warm_up < 0) o.warm_up = 4L * o.sessions;
    return o;
}

// Starts a server as a child that does not outlive this process, and puts its endpoint into `endpoint`.
static pid_t start(const struct options *o, int follower, char followers[FOLLOWERS][ENDPOINT_LENGTH],
                   char endpoint[ENDPOINT_LENGTH]) {
    int report[2];
    check(pipe(report) == 0, "pipe");
    pid_t parent = getpid(), child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) exit(1);
        close(report[0]);
        if (follower >= 0) run_follower(o, follower, report[1]);
        run_leader(o, followers, report[1]);
    }
    close(report[1]);
    errno = EPIPE; // said when the child ends without a report
    check(read(report[0], endpoint, ENDPOINT_LENGTH) == ENDPOINT_LENGTH, "start of a server");
    close(report[0]);
    return child;
}

static void print(const struct options *o, struct result r) {
    if (o->json)
        printf("{\"operation\":\"write\",\"sessions\":%d,\"requests\":%ld,\"errors\":0,\"rate\":%.3f,"
               "\"p50_ms\":%.6f,\"p99_ms\":%.6f}\n", o->sessions, r.requests, r.rate, r.p50_ms, r.p99_ms);
    else
        printf("write: %d sessions, %ld requests, %.0f/s, p50 %.3f ms, p99 %.3f ms\n",
               o->sessions, r.requests, r.rate, r.p50_ms, r.p99_ms);
}

int main(int count, char **arguments) {
    struct options o = parse(count, arguments);
    if (o.curve) {
        check(zmq_curve_keypair(o.server.public_key, o.server.secret_key) == 0, "key pair");
        check(zmq_curve_keypair(o.client.public_key, o.client.secret_key) == 0, "key pair");
    }
    char followers[FOLLOWERS][ENDPOINT_LENGTH], leader[ENDPOINT_LENGTH];
    pid_t servers[FOLLOWERS + 1];
    for (int i = 0; i < FOLLOWERS; i++) servers[i] = start(&o, i, followers, followers[i]);
    servers[FOLLOWERS] = start(&o, -1, followers, leader);
    struct result r = run_load(&o, leader);
    for (int i = 0; i <= FOLLOWERS; i++) kill(servers[i], SIGKILL);
    for (int i = 0; i <= FOLLOWERS; i++) waitpid(servers[i], NULL, 0);
    print(&o, r);
    return 0;
}
