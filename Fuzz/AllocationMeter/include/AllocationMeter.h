#pragma once
#include <stddef.h>

/// Begins to count what this thread allocates. Works only in a program that AddressSanitizer watches.
void allocation_meter_begin(void);
/// Ends it.
/// \returns the most bytes that were allocated at one time since the beginning.
size_t allocation_meter_end(void);
