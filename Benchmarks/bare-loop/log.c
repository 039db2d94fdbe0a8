#include "log.h"

#include "bare.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void write_all(int file, const char *bytes, size_t count, off_t at) {
    while (count > 0) {
        ssize_t written = pwrite(file, bytes, count, at);
        if (written < 0 && errno == EINTR) continue;
        check(written > 0, "write to the log");
        bytes += written;
        count -= (size_t)written;
        at += written;
    }
}

struct log open_log(const char *directory, const char *name, bool zero_filled) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s.log", directory, name);
    check(length > 0 && (size_t)length < sizeof path, "path of the log");
    struct log log = {.file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), .zero_filled = zero_filled};
    check(log.file >= 0, path);
    if (!zero_filled) return log;
    const size_t chunk = 1 << 20;
    char *zeros = allocate(chunk);
    for (off_t at = 0; at < SEGMENT_BYTES; at += (off_t)chunk) write_all(log.file, zeros, chunk, at);
    free(zeros);
    check(fsync(log.file) == 0, "fsync");
    return log;
}

void append_durably(struct log *log, const void *bytes, size_t count) {
    if (log->zero_filled && log->end + (off_t)count > SEGMENT_BYTES) log->end = 0;
    write_all(log->file, bytes, count, log->end);
    check(fdatasync(log->file) == 0, "fdatasync");
    log->end += (off_t)count;
}

static void signal_event(int event) {
    uint64_t one = 1;
    check(write(event, &one, sizeof one) == sizeof one, "eventfd");
}

static void await_event(int event) {
    uint64_t count;
    ssize_t got;
    do got = read(event, &count, sizeof count);
    while (got < 0 && errno == EINTR);
    check(got == sizeof count, "eventfd");
}

static void *append_for_ever(void *argument) {
    struct log_thread *thread = argument;
    for (;;) {
        await_event(thread->begun);
        append_durably(&thread->log, thread->bytes, thread->count);
        signal_event(thread->done);
    }
    return NULL;
}

void start_log_thread(struct log_thread *thread) {
    pthread_t id;
    thread->begun = eventfd(0, 0);
    thread->done = eventfd(0, 0);
    check(thread->begun >= 0 && thread->done >= 0, "eventfd");
    check(pthread_create(&id, NULL, append_for_ever, thread) == 0, "thread");
}

void begin_append(struct log_thread *thread, const void *bytes, size_t count) {
    thread->bytes = bytes;
    thread->count = count;
    signal_event(thread->begun);
}

void finish_append(struct log_thread *thread) { await_event(thread->done); }
