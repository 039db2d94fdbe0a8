#ifndef STARLING_REGEX_H
#define STARLING_REGEX_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Whether RE2 finds the pattern anywhere in the text, both UTF-8: in time linear in the text. Compiled patterns are kept, some
/// hundred for each thread. An empty string may be a null pointer.
/// Returns 1 if it does, 0 if not, -1 if RE2 does not take the pattern.
int starling_regex_matches(const char *pattern, size_t pattern_length, const char *text, size_t text_length);

#ifdef __cplusplus
}
#endif

#endif
