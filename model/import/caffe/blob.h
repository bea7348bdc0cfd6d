// Caffe's blobs: a shape and values, as weights and mean images have them (C++ side).
#ifndef RISTRETTO_IMPORT_CAFFE_BLOB_H
#define RISTRETTO_IMPORT_CAFFE_BLOB_H

#include "base/file.h"
#include "import/caffe/caffe.pb.h"
#include "import/common.h"
#include "import/wire.h"
#include "net/net.h"

namespace ristretto
{

// Decodes a blob: its shape (a legacy num x channels x height x width has four axes) and values, which must be as many
// as the shape says, and finite. `who` names the blob in errors. On success param->data is allocated (rs_free).
rs_status read_blob(const char *path, const uint8_t *file, Span blob, const std::string &who, rs_param *param,
                    rs_diag *diag);

// The shape and the values of a parameter as a blob.
void write_blob(const rs_param &param, caffe::BlobProto *blob);

// Reads a binary file of Caffe, refusing other kinds of file by name; HDF5 unless `hdf5`. rs_free releases *data.
rs_status read_binary(const char *path, const char *kind, bool hdf5, uint8_t **data, std::size_t *size, rs_diag *diag);

// Says where a binary file is damaged; `who` names the part of it, or is empty. Returns RS_BAD_INPUT.
rs_status corrupt(rs_diag *diag, const char *path, const std::string &who, const Fault &fault);

using Bytes = Owned<uint8_t>;

// Whether a parameter has values, few enough for its message to stay below protocol buffers' limit of 2 GiB.
bool writable(const rs_param &param);

// An output file that is discarded unless it is committed.
class MessageFile
{
  public:
    explicit MessageFile(rs_diag *diag) : diag_(diag)
    {
    }
    ~MessageFile()
    {
        if (out_ != nullptr)
            rs_output_discard(out_);
    }
    MessageFile(const MessageFile &) = delete;
    MessageFile &operator=(const MessageFile &) = delete;

    rs_status open(const char *path)
    {
        return rs_output_open(path, &out_, diag_);
    }
    // Writes a message; several in a row are one, as if their fields had been written together. Errors show at commit.
    void write(const google::protobuf::Message &message);
    rs_status commit()
    {
        rs_output *out = out_;
        out_ = nullptr;
        return rs_output_commit(out, diag_);
    }

  private:
    rs_output *out_ = nullptr;
    rs_diag *diag_;
};

} // namespace ristretto

#endif
