// What the parts of the bare loop share: its options, its sockets' settings and its clock.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    FOLLOWERS = 2,
    KEY_LENGTH = 41,         // a CURVE key in Z85, with its final zero
    ENDPOINT_LENGTH = 64,
    MAX_SESSIONS = 65536,
    MAX_PAYLOAD = 65536,     // bytes
    MAX_ROUTING_ID = 8,      // bytes; libzmq makes ids of five
    TRAILING_BATCHES = 64,   // how many batches a follower may trail by before the leader waits for it
    SEGMENT_BYTES = 64 << 20 // of a zero-filled log, which is overwritten in a circle
};

struct key_pair {
    char public_key[KEY_LENGTH], secret_key[KEY_LENGTH];
};

struct options {
    int sessions, connections;
    long requests, warm_up;
    size_t payload;
    bool curve, zero_filled, json;
    int timeout; // seconds
    const char *directory;
    struct key_pair server, client; // unused without curve
};

// How a request starts; the payload follows. The answer is the request's head alone.
struct head {
    uint32_t session, sequence;
};

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// Prints what failed with errno's text and ends the process with 1.
_Noreturn void fail(const char *what);
void check(bool holds, const char *what);
void *allocate(size_t bytes);

// A ROUTER bound to a free port of 127.0.0.1, whose address is put into `endpoint`; a DEALER connected to one.
// Neither drops a message: a sender whose peer trails by `limit` messages (0: any number) waits.
void *bound_router(void *context, const struct options *o, int limit, char endpoint[ENDPOINT_LENGTH]);
void *connected_dealer(void *context, const struct options *o, int limit, const char *endpoint);

// The three roles. Leader and follower write their endpoint to `report` once they answer, and run until killed.
_Noreturn void run_follower(const struct options *o, int number, int report);
_Noreturn void run_leader(const struct options *o, char followers[FOLLOWERS][ENDPOINT_LENGTH], int report);

struct result {
    long requests;
    double rate, p50_ms, p99_ms;
};
// Ends the process with 1 when the load is not done within the options' timeout.
struct result run_load(const struct options *o, const char *leader);
