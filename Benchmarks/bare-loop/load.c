// The load: sessions spread over DEALER connections, each with one request outstanding, all driven by one thread.
#include "bare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <zmq.h>

struct load {
    const struct options *options;
    zmq_pollitem_t *connections;
    char *request; // head and payload; one is built at a time
    struct session {
        int64_t sent;
        uint32_t sequence;
    } *sessions;
    long sent, answered;
    int64_t *latencies; // nanoseconds, of the measured requests in the order of their answers
    int64_t deadline;
};

static void send_request(struct load *load, int session, long limit) {
    if (load->sent >= limit) return;
    load->sent += 1;
    struct session *s = &load->sessions[session];
    struct head head = {.session = (uint32_t)session, .sequence = ++s->sequence};
    memcpy(load->request, &head, sizeof head);
    void *socket = load->connections[session % load->options->connections].socket;
    s->sent = now_ns();
    check(zmq_send(socket, load->request, sizeof head + load->options->payload, 0) >= 0, "send a request");
}

static void receive_answers(struct load *load, void *socket, long limit) {
    struct head head;
    while (zmq_recv(socket, &head, sizeof head, ZMQ_DONTWAIT) == sizeof head) {
        check(head.session < (uint32_t)load->options->sessions, "answer to an unknown session");
        struct session *s = &load->sessions[head.session];
        check(head.sequence == s->sequence, "answer to another request");
        load->latencies[load->answered++] = now_ns() - s->sent;
        send_request(load, (int)head.session, limit);
    }
}

static void expect_progress(const struct load *load) {
    if (waitpid(-1, NULL, WNOHANG) != 0) {
        fprintf(stderr, "bare-loop: a server ended before its time\n");
        exit(1);
    }
    if (now_ns() < load->deadline) return;
    fprintf(stderr, "bare-loop: not finished in %d seconds\n", load->options->timeout);
    exit(1);
}

// Sends `limit` requests, waits for all answers and returns the nanoseconds it took.
static int64_t drive(struct load *load, long limit) {
    const struct options *o = load->options;
    load->sent = load->answered = 0;
    int64_t start = now_ns();
    for (int i = 0; i < o->sessions; i++) send_request(load, i, limit);
    for (unsigned round = 0; load->answered < limit; round++) {
        int ready = zmq_poll(load->connections, o->connections, 1000);
        check(ready >= 0 || errno == EINTR, "poll");
        for (int i = 0; i < o->connections && ready > 0; i++)
            if (load->connections[i].revents) receive_answers(load, load->connections[i].socket, limit);
        if (ready == 0 || round % 4096 == 0) expect_progress(load);
    }
    return now_ns() - start;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// The nearest-rank percentile of sorted latencies, in milliseconds.
static double percentile(const int64_t *sorted, long count, int percent) {
    long rank = (count * percent + 99) / 100;
    return (double)sorted[rank > 0 ? rank - 1 : 0] / 1e6;
}

struct result run_load(const struct options *o, const char *leader) {
    struct load load = {.options = o, .deadline = now_ns() + (int64_t)o->timeout * 1000000000};
    load.connections = allocate((size_t)o->connections * sizeof *load.connections);
    load.sessions = allocate((size_t)o->sessions * sizeof *load.sessions);
    load.request = allocate(sizeof(struct head) + o->payload);
    memset(load.request + sizeof(struct head), 'x', o->payload);
    long most = o->requests > o->warm_up ? o->requests : o->warm_up;
    load.latencies = allocate((size_t)most * sizeof *load.latencies);
    void *context = zmq_ctx_new();
    for (int i = 0; i < o->connections; i++) {
        load.connections[i].socket = connected_dealer(context, o, 0, leader);
        load.connections[i].events = ZMQ_POLLIN;
    }
    drive(&load, o->warm_up);
    int64_t elapsed = drive(&load, o->requests);
    qsort(load.latencies, (size_t)load.answered, sizeof *load.latencies, ascending);
    return (struct result){
        .requests = load.answered,
        .rate = (double)load.answered * 1e9 / (double)elapsed,
        .p50_ms = percentile(load.latencies, load.answered, 50),
        .p99_ms = percentile(load.latencies, load.answered, 99),
    };
}
