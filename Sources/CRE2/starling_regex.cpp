#include "starling_regex.h"

#include <re2/re2.h>

#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

namespace {

constexpr size_t kept = 256;

/// Of one thread.
struct Patterns {
    std::unordered_map<std::string, std::unique_ptr<re2::RE2>> compiled;
    const std::string *last_pattern = nullptr;
    const re2::RE2 *last = nullptr;

    const re2::RE2 *find(const char *pattern, size_t length) {
        if (last_pattern && last_pattern->size() == length && std::memcmp(last_pattern->data(), pattern, length) == 0)
            return last;
        std::string key(pattern, length);
        auto found = compiled.find(key);
        if (found == compiled.end()) {
            if (compiled.size() >= kept) {
                compiled.clear();
                last_pattern = nullptr;
            }
            re2::RE2::Options options;
            options.set_log_errors(false);
            options.set_never_capture(true);
            options.set_max_mem(16 << 20);
            found = compiled.emplace(key, std::make_unique<re2::RE2>(key, options)).first;
        }
        last_pattern = &found->first;
        last = found->second.get();
        return last;
    }
};

}  // namespace

extern "C" int starling_regex_matches(const char *pattern, size_t pattern_length, const char *text, size_t text_length) {
    thread_local Patterns patterns;
    const re2::RE2 *expression = patterns.find(pattern ? pattern : "", pattern_length);
    if (!expression->ok()) return -1;
    return re2::RE2::PartialMatch(re2::StringPiece(text ? text : "", text_length), *expression) ? 1 : 0;
}
