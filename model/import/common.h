// What all readers and writers of networks use: messages, and memory that a net owns (C++ side).
#ifndef RISTRETTO_IMPORT_COMMON_H
#define RISTRETTO_IMPORT_COMMON_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/diag.h"
#include "base/memory.h"

namespace ristretto
{

constexpr int64_t max_size = 0x7fffffff; // of a kernel, stride, dimension, ...: Caffe's are 32-bit integers

// "NAME" in quotation marks.
std::string quoted(const std::string &name);
// A did-you-mean hint for `word`, or an empty string.
std::string did_you_mean(const std::string &word, const std::vector<std::string> &candidates);
// Adds an error with status RS_BAD_INPUT; an empty hint is none. Returns RS_BAD_INPUT.
rs_status bad(rs_diag *diag, rs_loc loc, const std::string &hint, const std::string &text);

// What leaves an entry point with this status; what is wrong has been said.
struct Failed {
    rs_status status;
};

// The message and the status of what is being thrown, within a catch: memory, what a library says, or Failed.
rs_status thrown(rs_diag *diag) noexcept;
// The body of an entry point: no exception leaves it.
template <class Body> rs_status guarded(rs_diag *diag, const Body &body) noexcept
{
    try {
        return body();
    } catch (...) {
        return thrown(diag);
    }
}

// A copy that rs_free releases. A std::bad_alloc if memory is short, here and below.
char *copy_text(const std::string &text);
// n zeros.
template <class T> T *new_array(std::size_t n)
{
    T *array = static_cast<T *>(rs_calloc(n, sizeof(T)));
    if (array == nullptr)
        throw std::bad_alloc();
    return array;
}

// Memory that rs_free releases.
struct FreeBlock {
    void operator()(void *block) const
    {
        rs_free(block);
    }
};
template <class T> using Owned = std::unique_ptr<T, FreeBlock>;

} // namespace ristretto

#endif
