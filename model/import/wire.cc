// Walking through the fields of a binary message.
#include "import/wire.h"

namespace ristretto
{

bool WireReader::fail(Fault *fault, const uint8_t *at, const std::string &what) const
{
    fault->what = what;
    fault->offset = static_cast<std::size_t>(at - file_);
    return false;
}

bool WireReader::varint(uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && at_ < end_; shift += 7) {
        const uint8_t byte = *at_++;
        *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

bool WireReader::next(WireField *field, Fault *fault)
{
    if (at_ == end_)
        return false;
    const uint8_t *start = at_;
    field->offset = static_cast<std::size_t>(start - file_);
    uint64_t tag = 0;
    if (!varint(&tag))
        return fail(fault, start, at_ == end_ ? "the file ends inside a field" : "a field with a wrong tag");
    const uint64_t number = tag >> 3;
    if (number == 0 || number > 0x1fffffff)
        return fail(fault, start, "a field with a wrong tag");
    field->number = static_cast<int>(number);
    field->type = static_cast<WireType>(tag & 7);

    const std::size_t left = static_cast<std::size_t>(end_ - at_);
    uint64_t size = 0;
    switch (field->type) {
    case WireType::VARINT:
        if (!varint(&field->value))
            return fail(fault, start, at_ == end_ ? "the file ends inside a field" : "a wrong number");
        return true;
    case WireType::FIXED64:
        size = 8;
        break;
    case WireType::FIXED32:
        size = 4;
        break;
    case WireType::BYTES:
        if (!varint(&size))
            return fail(fault, start, at_ == end_ ? "the file ends inside a field" : "a wrong length");
        break;
    default:
        return fail(fault, start, "a field with a wrong tag");
    }
    if (size > static_cast<std::size_t>(end_ - at_))
        return fail(fault, start,
                    "a field of " + std::to_string(size) + " bytes, but only " +
                        std::to_string(field->type == WireType::BYTES ? end_ - at_ : static_cast<long>(left)) +
                        " are left");
    field->bytes = Span { at_, static_cast<std::size_t>(size) };
    at_ += size;
    return true;
}

bool well_formed(const uint8_t *file, Span message, Fault *fault)
{
    WireReader reader(file, message);
    WireField field;
    while (reader.next(&field, fault))
        ;
    return fault->what.empty();
}

} // namespace ristretto
