// The leader: while one batch becomes durable, the next one fills with whatever clients send. A batch goes to the disk
// thread and to both followers at once, and its requests are answered when the leader and one follower have it.
#include "bare.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

struct caller {
    char routing_id[MAX_ROUTING_ID];
    int length;
    struct head head;
};

// The first eight bytes are the batch's number, then each request as it came.
struct batch {
    char *bytes;
    size_t count;
    struct caller *callers;
    int requests;
};

struct leader {
    const struct options *options;
    void *clients, *followers[FOLLOWERS];
    struct log_thread disk;
    struct batch batches[2];
    int filling;         // the other one is becoming durable when `busy`
    bool busy, on_disk;  // on_disk: the leader's own copy is durable
    uint64_t number;     // of the batch that is becoming durable
    uint64_t followed;   // the last batch that a follower has
};

static void empty(struct batch *batch) {
    batch->count = sizeof(uint64_t);
    batch->requests = 0;
}

static bool receive_request(struct leader *l) {
    struct batch *batch = &l->batches[l->filling];
    if (batch->requests == l->options->sessions) return false; // cannot be: each session has one outstanding
    struct caller *caller = &batch->callers[batch->requests];
    caller->length = zmq_recv(l->clients, caller->routing_id, MAX_ROUTING_ID, ZMQ_DONTWAIT);
    if (caller->length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    check(caller->length > 0 && caller->length <= MAX_ROUTING_ID, "receive a routing id");
    const size_t size = sizeof(struct head) + l->options->payload;
    int length = zmq_recv(l->clients, batch->bytes + batch->count, size, 0);
    check(length == (int)size, "receive a request");
    memcpy(&caller->head, batch->bytes + batch->count, sizeof caller->head);
    batch->count += size;
    batch->requests += 1;
    return true;
}

static void receive_answer(struct leader *l, void *follower) {
    uint64_t last;
    while (zmq_recv(follower, &last, sizeof last, ZMQ_DONTWAIT) == sizeof last)
        if (last > l->followed) l->followed = last;
}

static void send_batch(struct leader *l) {
    struct batch *batch = &l->batches[l->filling];
    if (l->busy || batch->requests == 0) return;
    l->number += 1;
    l->busy = true;
    l->on_disk = false;
    l->filling = 1 - l->filling;
    empty(&l->batches[l->filling]);
    memcpy(batch->bytes, &l->number, sizeof l->number);
    begin_append(&l->disk, batch->bytes, batch->count);
    for (int i = 0; i < FOLLOWERS; i++)
        check(zmq_send(l->followers[i], batch->bytes, batch->count, 0) >= 0, "send a batch");
}

static void answer_batch(struct leader *l) {
    if (!l->busy || !l->on_disk || l->followed < l->number) return;
    struct batch *batch = &l->batches[1 - l->filling];
    for (int i = 0; i < batch->requests; i++) {
        const struct caller *caller = &batch->callers[i];
        int sent = zmq_send(l->clients, caller->routing_id, (size_t)caller->length, ZMQ_SNDMORE);
        if (sent < 0 && errno == EHOSTUNREACH) continue; // the client has gone
        check(sent >= 0 && zmq_send(l->clients, &caller->head, sizeof caller->head, 0) >= 0, "answer");
    }
    l->busy = false;
}

static void serve(struct leader *l) {
    zmq_pollitem_t items[] = {
        {NULL, l->disk.done, ZMQ_POLLIN, 0},
        {l->followers[0], 0, ZMQ_POLLIN, 0},
        {l->followers[1], 0, ZMQ_POLLIN, 0},
        {l->clients, 0, ZMQ_POLLIN, 0},
    };
    for (;;) {
        check(zmq_poll(items, 4, -1) >= 0 || errno == EINTR, "poll");
        if (items[0].revents) {
            finish_append(&l->disk);
            l->on_disk = true;
        }
        for (int i = 0; i < FOLLOWERS; i++)
            if (items[1 + i].revents) receive_answer(l, l->followers[i]);
        answer_batch(l);
        while (receive_request(l)) continue;
        send_batch(l);
    }
}

void run_leader(const struct options *o, char followers[FOLLOWERS][ENDPOINT_LENGTH], int report) {
    char endpoint[ENDPOINT_LENGTH] = {0};
    struct leader l = {.options = o};
    l.disk.log = open_log(o->directory, "leader", o->zero_filled);
    start_log_thread(&l.disk);
    const size_t capacity = sizeof(uint64_t) + (size_t)o->sessions * (sizeof(struct head) + o->payload);
    for (int i = 0; i < 2; i++) {
        l.batches[i].bytes = allocate(capacity);
        l.batches[i].callers = allocate((size_t)o->sessions * sizeof(struct caller));
        empty(&l.batches[i]);
    }
    void *context = zmq_ctx_new();
    for (int i = 0; i < FOLLOWERS; i++)
        l.followers[i] = connected_dealer(context, o, TRAILING_BATCHES, followers[i]);
    l.clients = bound_router(context, o, 0, endpoint);
    check(write(report, endpoint, sizeof endpoint) == sizeof endpoint, "report");
    serve(&l);
    __builtin_unreachable();
}
