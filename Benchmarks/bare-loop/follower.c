// A follower: drains its inbox, makes all of it durable with one write and one fdatasync, and answers with the number
// of the last batch, which speaks for all before it.
#include "bare.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

struct inbox {
    char *bytes;
    size_t count, capacity;
    uint64_t last; // number of the last batch
    char leader[MAX_ROUTING_ID];
    int leader_length;
};

// Takes one batch: false when none is there.
static bool receive(void *router, struct inbox *inbox, int flags) {
    int length = zmq_recv(router, inbox->leader, MAX_ROUTING_ID, flags);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    check(length > 0 && length <= MAX_ROUTING_ID, "receive a routing id");
    inbox->leader_length = length;
    length = zmq_recv(router, inbox->bytes + inbox->count, inbox->capacity - inbox->count, 0);
    check(length >= (int)sizeof inbox->last, "receive a batch");
    memcpy(&inbox->last, inbox->bytes + inbox->count, sizeof inbox->last);
    inbox->count += (size_t)length;
    return true;
}

void run_follower(const struct options *o, int number, int report) {
    char name[32], endpoint[ENDPOINT_LENGTH] = {0};
    snprintf(name, sizeof name, "follower-%d", number);
    struct log log = open_log(o->directory, name, o->zero_filled);
    void *context = zmq_ctx_new();
    void *router = bound_router(context, o, TRAILING_BATCHES, endpoint);
    // A batch is at most one request of every session; this many batches are made durable by one sync at most.
    const size_t batch = sizeof(uint64_t) + (size_t)o->sessions * (sizeof(struct head) + o->payload);
    struct inbox inbox = {.capacity = 16 * batch};
    inbox.bytes = allocate(inbox.capacity);
    check(write(report, endpoint, sizeof endpoint) == sizeof endpoint, "report");
    for (;;) {
        inbox.count = 0;
        if (!receive(router, &inbox, 0)) continue;
        while (inbox.capacity - inbox.count >= batch && receive(router, &inbox, ZMQ_DONTWAIT)) continue;
        append_durably(&log, inbox.bytes, inbox.count);
        check(zmq_send(router, inbox.leader, (size_t)inbox.leader_length, ZMQ_SNDMORE) >= 0, "answer");
        check(zmq_send(router, &inbox.last, sizeof inbox.last, 0) >= 0, "answer");
    }
}
