// Blobs, and the binary files that hold them.
#include "import/caffe/blob.h"

#include <climits>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "import/hdf5/weights.h"

namespace ristretto
{

rs_status read_blob(const char *path, const uint8_t *file, Span span, const std::string &who, rs_param *param,
                    rs_diag *diag)
{
    const rs_loc loc { path, 0, 0 };
    const std::string where = " (byte " + std::to_string(span.data - file) + ")";
    caffe::BlobProto blob;
    Fault fault;
    if (!well_formed(file, span, &fault))
        return bad(diag, loc, "the file is truncated or corrupt",
                   who + ": " + fault.what + " at byte " + std::to_string(fault.offset));
    if (span.size > INT_MAX || !blob.ParseFromArray(span.data, static_cast<int>(span.size)))
        return bad(diag, loc, "the file is truncated or corrupt", who + " cannot be decoded" + where);

    rs_shape shape = { 0, { 0 } };
    if (blob.has_shape()) {
        if (blob.shape().dim_size() > RS_MAX_AXES)
            return bad(diag, loc, "",
                       who + " has " + std::to_string(blob.shape().dim_size()) + " axes, expected at most " +
                           std::to_string(RS_MAX_AXES) + where);
        for (const int64_t d : blob.shape().dim())
            shape.dim[shape.n_axes++] = d;
    } else if (blob.has_num() || blob.has_channels() || blob.has_height() || blob.has_width()) {
        shape = { 4, { blob.num(), blob.channels(), blob.height(), blob.width() } };
    }
    char text[192];
    rs_shape_text(&shape, text, sizeof text);
    for (int i = 0; i < shape.n_axes; i++)
        if (shape.dim[i] < 1)
            return bad(diag, loc, "", who + " is " + text + ", expected dimensions of at least 1" + where);
    const int64_t count = rs_shape_count(&shape, 0);
    const int64_t have = blob.data_size() > 0 ? blob.data_size() : blob.double_data_size();
    if (count != have)
        return bad(diag, loc, "",
                   who + " is " + text + ", " + (count < 0 ? "too many" : std::to_string(count)) +
                       " values, but holds " + std::to_string(have) + where);

    float *data = RS_NEW_ARRAY(float, static_cast<std::size_t>(have));
    if (data == nullptr)
        return rs_out_of_memory(diag);
    for (int i = 0; i < static_cast<int>(have); i++) {
        const double value = blob.data_size() > 0 ? static_cast<double>(blob.data(i)) : blob.double_data(i);
        data[i] = static_cast<float>(value);
        if (!std::isfinite(data[i])) {
            rs_free(data);
            return bad(diag, loc, "",
                       who + ": value " + std::to_string(i) + " is " +
                           (std::isnan(value) ? "not a number" : "infinite") + ", expected a finite number" + where);
        }
    }
    param->shape = shape;
    param->data = data;
    return RS_OK;
}

void write_blob(const rs_param &param, caffe::BlobProto *blob)
{
    for (int i = 0; i < param.shape.n_axes; i++)
        blob->mutable_shape()->add_dim(param.shape.dim[i]);
    const int count = static_cast<int>(rs_shape_count(&param.shape, 0));
    blob->mutable_data()->Resize(count, 0);
    std::memcpy(blob->mutable_data()->mutable_data(), param.data, static_cast<std::size_t>(count) * sizeof(float));
}

rs_status read_binary(const char *path, const char *kind, bool hdf5, uint8_t **data, std::size_t *size, rs_diag *diag)
{
    constexpr std::size_t max_bytes = std::size_t { 4 } << 30;
    const rs_status st = rs_read_file(path, max_bytes, false, data, size, diag);
    if (st != RS_OK)
        return st;
    std::string what, hint;
    std::size_t printable = 0;
    const std::size_t probe = *size < 256 ? *size : 256;
    while (printable < probe &&
           (((*data)[printable] >= ' ' && (*data)[printable] < 0x7f) || (*data)[printable] == '\n' ||
            (*data)[printable] == '\t' || (*data)[printable] == '\r'))
        printable++;
    if (*size == 0) {
        what = "the file is empty";
    } else if (!hdf5 && rs_is_hdf5(*data, *size)) {
        what = "this is an HDF5 file, which is not supported";
        hint = "Caffe writes the binary form with snapshot_format: BINARYPROTO";
    } else if (printable == probe) {
        what = "this is a text file";
        hint = "a net description (prototxt) goes elsewhere";
    }
    if (what.empty())
        return RS_OK;
    rs_free(*data);
    *data = nullptr;
    return bad(diag, rs_loc { path, 0, 0 }, hint, what + ", expected " + kind);
}

rs_status corrupt(rs_diag *diag, const char *path, const std::string &who, const Fault &fault)
{
    return bad(diag, rs_loc { path, 0, 0 }, "the file is truncated or corrupt",
               who + fault.what + " at byte " + std::to_string(fault.offset));
}

bool writable(const rs_param &param)
{
    const int64_t count = rs_shape_count(&param.shape, 0);
    return param.data != nullptr && count >= 0 && count < INT_MAX / static_cast<int64_t>(sizeof(float)) - 1024;
}

void MessageFile::write(const google::protobuf::Message &message)
{
    const std::string bytes = message.SerializeAsString();
    std::fwrite(bytes.data(), 1, bytes.size(), rs_output_stream(out_));
}

} // namespace ristretto
