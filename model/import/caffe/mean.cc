// Mean images (mean.binaryproto).
#include <string>

#include "base/file.h"
#include "base/memory.h"
#include "import/caffe/caffe.h"
#include "import/caffe/blob.h"
#include "import/common.h"

extern "C" rs_status rs_caffe_read_mean(const char *path, int64_t dim[3], float **values, rs_diag *diag)
{
    *values = nullptr;
    return ristretto::guarded(diag, [&] {
        uint8_t *data = nullptr;
        std::size_t size = 0;
        rs_status st = ristretto::read_binary(path, "a mean image (binaryproto)", false, &data, &size, diag);
        const ristretto::Owned<uint8_t> owner(data);
        if (st != RS_OK)
            return st;
        rs_param blob {};
        st = ristretto::read_blob(path, data, ristretto::Span { data, size }, "the mean image", &blob, diag);
        if (st != RS_OK)
            return st;
        const rs_shape &s = blob.shape;
        if (s.n_axes == 3 || (s.n_axes == 4 && s.dim[0] == 1)) {
            for (int i = 0; i < 3; i++)
                dim[i] = s.dim[s.n_axes - 3 + i];
            *values = blob.data;
            return RS_OK;
        }
        rs_free(blob.data);
        char text[192];
        return ristretto::bad(diag, rs_loc { path, 0, 0 }, "",
                              std::string("the mean image is ") + rs_shape_text(&s, text, sizeof text) +
                                  ", expected 1 x channels x height x width");
    });
}

extern "C" rs_status rs_caffe_write_mean(const char *path, const int64_t dim[3], const float *values, rs_diag *diag)
{
    return ristretto::guarded(diag, [&] {
        // Old readers know the four numbers only.
        ristretto::caffe::BlobProto blob;
        blob.set_num(1);
        blob.set_channels(static_cast<int>(dim[0]));
        blob.set_height(static_cast<int>(dim[1]));
        blob.set_width(static_cast<int>(dim[2]));
        const int64_t count = dim[0] * dim[1] * dim[2];
        for (int64_t i = 0; i < count; i++)
            blob.add_data(values[i]);
        const std::string bytes = blob.SerializeAsString();
        rs_output *out = nullptr;
        const rs_status st = rs_output_open(path, &out, diag);
        if (st != RS_OK)
            return st;
        fwrite(bytes.data(), 1, bytes.size(), rs_output_stream(out));
        return rs_output_commit(out, diag);
    });
}
