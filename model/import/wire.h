// Binary protocol buffers, field by field (C++ side). Layers and blobs of a file are found this way, and only the blobs
// that are needed are decoded: memory stays near the size of the file, and an error is located to the byte.
#ifndef RISTRETTO_IMPORT_WIRE_H
#define RISTRETTO_IMPORT_WIRE_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace ristretto
{

// What is wrong with a file, and the byte (from 0) at which it is.
struct Fault {
    std::string what;
    std::size_t offset = 0;
};

// A stretch of a file.
struct Span {
    const uint8_t *data = nullptr;
    std::size_t size = 0;
};

enum class WireType { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct WireField {
    int number = 0;
    WireType type = WireType::VARINT;
    uint64_t value = 0;     // VARINT
    Span bytes;             // BYTES: the content; FIXED32 and FIXED64: the 4 or 8 bytes
    std::size_t offset = 0; // of the field's first byte in the file
};

// Walks through the fields of a message.
class WireReader
{
  public:
    // `file` is the first byte of the whole file, for offsets.
    WireReader(const uint8_t *file, Span message) : file_(file), at_(message.data), end_(message.data + message.size)
    {
    }
    // False at the end, or at a fault (fault->what is then not empty).
    bool next(WireField *field, Fault *fault);

  private:
    bool varint(uint64_t *value);
    bool fail(Fault *fault, const uint8_t *at, const std::string &what) const;

    const uint8_t *file_, *at_, *end_;
};

// Whether every field of a message can be walked through (messages inside are not entered).
bool well_formed(const uint8_t *file, Span message, Fault *fault);

} // namespace ristretto

#endif
