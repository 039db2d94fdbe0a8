// A log file to which batches are appended, each made durable by one write and one fdatasync.
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct log {
    int file;
    off_t end;
    bool zero_filled; // the file has its full size already and is overwritten in a circle
};

// Creates DIRECTORY/NAME.log, zero-filled and durable when asked.
struct log open_log(const char *directory, const char *name, bool zero_filled);
void append_durably(struct log *log, const void *bytes, size_t count);

// The same on a thread of its own, one batch at a time: `begin` hands it a batch, which must stay as it is until
// `done`, an eventfd to poll, is readable; `finish` then clears it.
struct log_thread {
    struct log log;
    int begun, done;
    const void *bytes;
    size_t count;
};
void start_log_thread(struct log_thread *thread);
void begin_append(struct log_thread *thread, const void *bytes, size_t count);
void finish_append(struct log_thread *thread);
