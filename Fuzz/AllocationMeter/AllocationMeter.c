#include "AllocationMeter.h"

// Of the sanitizers' public interface (sanitizer/allocator_interface.h).
int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void *, size_t), void (*free_hook)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static _Thread_local int is_counting;
static _Thread_local long long live;
static _Thread_local long long peak;

static void allocated(const volatile void *pointer, size_t size) {
    if (!is_counting) return;
    live += (long long)size;
    if (live > peak) peak = live;
}

static void freed(const volatile void *pointer) {
    if (is_counting && pointer) live -= (long long)__sanitizer_get_allocated_size(pointer);
}

void allocation_meter_begin(void) {
    static int is_installed;
    if (!is_installed) {
        __sanitizer_install_malloc_and_free_hooks(allocated, freed);
        is_installed = 1;
    }
    live = 0;
    peak = 0;
    is_counting = 1;
}

size_t allocation_meter_end(void) {
    is_counting = 0;
    return peak > 0 ? (size_t)peak : 0;
}
