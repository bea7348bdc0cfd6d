// Text files of Caffe (C++ side): parsing with located errors, and the place of every field afterwards.
#ifndef RISTRETTO_IMPORT_CAFFE_TEXT_H
#define RISTRETTO_IMPORT_CAFFE_TEXT_H

#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/diag.h"
#include "import/common.h"

namespace ristretto
{

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using ParseTree = google::protobuf::TextFormat::ParseInfoTree;

// The largest prototxt or solver file that is read: far above any real one.
constexpr std::size_t max_text_bytes = 16u << 20;

// A text file with the places of its fields. Lines and columns count from 1.
struct Text {
    std::string path;
    std::string original; // as the file has it
    std::string content;  // as it is parsed, of the same length: our fields are no comments
    std::unique_ptr<ParseTree> tree;
    // Places of the errors found while parsing, as (line, column): what lies around one is not checked further.
    std::vector<std::pair<int, int>> errors;
    // The file as a whole could be parsed, though fields of it may have had to be left out.
    bool complete = false;
};

// Messages about a text file. They are added to a diag at the end, in the order of their places.
class Report
{
  public:
    explicit Report(rs_diag *diag) : diag_(diag)
    {
    }
    void error(rs_loc loc, const std::string &hint, const std::string &text)
    {
        add(RS_ERROR, loc, hint, text);
    }
    void warning(rs_loc loc, const std::string &hint, const std::string &text)
    {
        add(RS_WARNING, loc, hint, text);
    }
    // Adds all messages to the diag. RS_BAD_INPUT if there was an error.
    rs_status finish();
    bool has_errors() const
    {
        return errors_ > 0;
    }
    rs_diag *diag() const
    {
        return diag_;
    }

  private:
    struct Entry {
        rs_severity severity;
        rs_loc loc;
        std::string hint, text;
    };
    void add(rs_severity severity, rs_loc loc, const std::string &hint, const std::string &text);

    rs_diag *diag_;
    std::vector<Entry> entries_;
    int errors_ = 0;
};

// Reads and parses `path` into `message`. Every error that can be recovered from (an unknown field, a wrong value) is
// reported, and the rest parsed on without it. RS_OK if there was none; RS_BAD_INPUT otherwise, and text->complete then
// tells whether it makes sense to check what there is. A file that cannot be read is an error in the report's diag.
rs_status read_text(const char *path, Message *message, Text *text, Report *report);

// The same of text->original, under text->path.
rs_status parse_text(Message *message, Text *text, Report *report);

// What begins a comment, on a line of its own, that holds fields of ours: the original program ignores it, we read it.
constexpr const char *own_fields = "# ristretto:";

// A message in the file: its place, and those of its fields.
class Node
{
  public:
    Node(const Text &text, const ParseTree *tree, const Descriptor *type, rs_loc own)
        : text_(&text), tree_(tree), type_(type), own_(own)
    {
    }
    static Node root(const Text &text, const Message &message)
    {
        return Node(text, text.tree.get(), message.GetDescriptor(), rs_loc { text.path.c_str(), 0, 0 });
    }
    // The place of this message itself.
    rs_loc loc() const
    {
        return own_;
    }
    // The place of a field (its index-th value; -1: a singular field, or the first value); the message's own if it is
    // not given.
    rs_loc at(const char *field, int index = -1) const;
    // A field that is a message; if it is not given, a node whose places are this message's.
    Node in(const char *field, int index = -1) const;
    // Whether an error was found in the text of the index-th value of a field.
    bool spoiled(const char *field, int index) const;
    bool has_place() const
    {
        return own_.line > 0;
    }
    const Text &text() const
    {
        return *text_;
    }

  private:
    const Text *text_;
    const ParseTree *tree_;
    const Descriptor *type_;
    rs_loc own_;
};

// A stretch of a text, in bytes.
struct Range {
    std::size_t begin, end;
};
// The statement (name, value or block) that starts at a place of the text; an empty range if none does.
Range statement_at(const Text &text, rs_loc loc);

} // namespace ristretto

#endif
