#ifndef STARLING_CCHECKSUM_H
#define STARLING_CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `length` bytes, continuing from `seed` (0 for a new checksum).
/// Uses the SSE 4.2 or ARMv8 instruction where the processor has it, else a table.
uint32_t starling_crc32c(uint32_t seed, const void *bytes, size_t length);

#endif
