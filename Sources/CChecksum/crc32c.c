#include "CChecksum.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t crc, const uint8_t *bytes, size_t length) {
    uint64_t state = crc;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = _mm_crc32_u64(state, word);
        bytes += 8;
        length -= 8;
    }
    crc = (uint32_t)state;
    while (length-- > 0) {
        crc = _mm_crc32_u8(crc, *bytes++);
    }
    return crc;
}

static int hardware_available(void) { return __builtin_cpu_supports("sse4.2"); }
#else
static uint32_t crc32c_hardware(uint32_t crc, const uint8_t *bytes, size_t length) {
    (void)bytes;
    (void)length;
    return crc;
}

static int hardware_available(void) { return 0; }
#endif

static uint32_t table[256];
static int use_hardware;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1u)));
        }
        table[i] = crc;
    }
    use_hardware = hardware_available();
}

static uint32_t crc32c_table(uint32_t crc, const uint8_t *bytes, size_t length) {
    while (length-- > 0) {
        crc = (crc >> 8) ^ table[(crc ^ *bytes++) & 0xFF];
    }
    return crc;
}

uint32_t starling_crc32c(uint32_t seed, const void *bytes, size_t length) {
    pthread_once(&once, prepare);
    uint32_t crc = ~seed;
    crc = use_hardware ? crc32c_hardware(crc, bytes, length) : crc32c_table(crc, bytes, length);
    return ~crc;
}
