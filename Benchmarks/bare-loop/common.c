#include "bare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

void fail(const char *what) {
    fprintf(stderr, "bare-loop: %s: %s\n", what, zmq_strerror(errno));
    exit(1);
}

void check(bool holds, const char *what) {
    if (!holds) fail(what);
}

void *allocate(size_t bytes) {
    void *memory = calloc(1, bytes);
    check(memory != NULL, "memory");
    return memory;
}

static void *socket_of(void *context, int type, int limit) {
    void *socket = zmq_socket(context, type);
    check(socket != NULL, "socket");
    int none = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &limit, sizeof limit);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &limit, sizeof limit);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

void *bound_router(void *context, const struct options *o, int limit, char endpoint[ENDPOINT_LENGTH]) {
    void *socket = socket_of(context, ZMQ_ROUTER, limit);
    int yes = 1;
    zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &yes, sizeof yes);
    if (o->curve) {
        check(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) == 0, "curve server");
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, o->server.secret_key, KEY_LENGTH);
    }
    check(zmq_bind(socket, "tcp://127.0.0.1:*") == 0, "bind");
    size_t length = ENDPOINT_LENGTH;
    check(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &length) == 0, "endpoint");
    return socket;
}

void *connected_dealer(void *context, const struct options *o, int limit, const char *endpoint) {
    void *socket = socket_of(context, ZMQ_DEALER, limit);
    if (o->curve) {
        check(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, o->server.public_key, KEY_LENGTH) == 0, "server key");
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, o->client.public_key, KEY_LENGTH);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, o->client.secret_key, KEY_LENGTH);
    }
    check(zmq_connect(socket, endpoint) == 0, "connect");
    return socket;
}
