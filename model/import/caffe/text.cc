// Parsing prototxt: places of fields, and complaints in the words of the file's user.
#include "import/caffe/text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <cstring>

#include "base/file.h"
#include "base/memory.h"
#include "import/caffe/caffe.pb.h"

namespace ristretto
{

void Report::add(rs_severity severity, rs_loc loc, const std::string &hint, const std::string &text)
{
    entries_.push_back(Entry { severity, loc, hint, text });
    errors_ += severity == RS_ERROR;
}

rs_status Report::finish()
{
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry &a, const Entry &b) {
        return std::make_pair(a.loc.line, a.loc.column) < std::make_pair(b.loc.line, b.loc.column);
    });
    for (const Entry &e : entries_) {
        const char *hint = e.hint.empty() ? nullptr : e.hint.c_str();
        if (e.severity == RS_ERROR)
            rs_error(diag_, RS_BAD_INPUT, e.loc, hint, "%s", e.text.c_str());
        else
            rs_warn(diag_, e.loc, hint, "%s", e.text.c_str());
    }
    entries_.clear();
    return errors_ > 0 ? RS_BAD_INPUT : RS_OK;
}

// ---- places

static rs_loc to_loc(const Text &text, const google::protobuf::TextFormat::ParseLocation &place)
{
    return rs_loc { text.path.c_str(), place.line + 1, place.column + 1 };
}

rs_loc Node::at(const char *field, int index) const
{
    const FieldDescriptor *f = tree_ != nullptr ? type_->FindFieldByName(field) : nullptr;
    if (f == nullptr)
        return own_;
    if (f->is_repeated() && index < 0)
        index = 0;
    const auto place = tree_->GetLocation(f, f->is_repeated() ? index : -1);
    return place.line < 0 ? own_ : to_loc(*text_, place);
}

Node Node::in(const char *field, int index) const
{
    const FieldDescriptor *f = tree_ != nullptr ? type_->FindFieldByName(field) : nullptr;
    if (f == nullptr || f->message_type() == nullptr)
        return Node(*text_, nullptr, type_, own_);
    if (f->is_repeated() && index < 0)
        index = 0;
    const ParseTree *tree = tree_->GetTreeForNested(f, f->is_repeated() ? index : -1);
    return Node(*text_, tree, f->message_type(), at(field, index));
}

bool Node::spoiled(const char *field, int index) const
{
    const FieldDescriptor *f = tree_ != nullptr ? type_->FindFieldByName(field) : nullptr;
    if (f == nullptr)
        return false;
    const auto range = tree_->GetLocationRange(f, f->is_repeated() ? index : -1);
    const auto from = std::make_pair(range.start.line + 1, range.start.column + 1);
    const auto to = std::make_pair(range.end.line + 1, range.end.column + 1);
    return std::any_of(text_->errors.begin(), text_->errors.end(),
                       [&](const std::pair<int, int> &e) { return from <= e && e <= to; });
}

// ---- tokenizing
//
// The parser of protocol buffers stops at the first error. To report the others too, the statement in error is blanked
// out and the text parsed again; this needs the tokens around it.

namespace
{

struct Token {
    enum Kind { WORD, STRING, MARK } kind;
    std::size_t begin, end; // bytes of the text
    int line, column;       // from 1, tabs as the parser counts them
};

class Tokens
{
  public:
    explicit Tokens(const std::string &text) : text_(text)
    {
        std::size_t i = 0;
        while (i < text.size()) {
            const char c = text[i];
            if (c == '#') {
                while (i < text.size() && text[i] != '\n')
                    step(i);
            } else if (is_word(c)) {
                Token t = start(Token::WORD, i);
                while (i < text.size() && is_word(text[i]))
                    step(i);
                finish(t, i);
            } else if (c == '"' || c == '\'') {
                Token t = start(Token::STRING, i);
                step(i);
                while (i < text.size() && text[i] != c && text[i] != '\n') {
                    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] != '\n')
                        step(i);
                    step(i);
                }
                if (i < text.size() && text[i] == c)
                    step(i);
                finish(t, i);
            } else if (std::isspace(static_cast<unsigned char>(c))) {
                step(i);
            } else {
                Token t = start(Token::MARK, i);
                step(i);
                finish(t, i);
            }
        }
    }

    // Index of the token at a place, or of the last one before it; -1 if there is none.
    int find(int line, int column) const
    {
        auto it = std::upper_bound(
            list_.begin(), list_.end(), std::make_pair(line, column),
            [](const std::pair<int, int> &p, const Token &t) { return p < std::make_pair(t.line, t.column); });
        return static_cast<int>(it - list_.begin()) - 1;
    }
    // The last token equal to `word` among those up to index i, within a few tokens; -1 if there is none.
    int find_back(int i, const std::string &word) const
    {
        for (int j = i; j >= 0 && j > i - 8; j--)
            if (is(j, word))
                return j;
        return -1;
    }
    bool is(int i, const std::string &word) const
    {
        return i >= 0 && i < size() && text_.compare(at(i).begin, at(i).end - at(i).begin, word) == 0;
    }
    std::string text(int i) const
    {
        return text_.substr(at(i).begin, at(i).end - at(i).begin);
    }
    bool is_kind(int i, Token::Kind kind) const
    {
        return i >= 0 && i < size() && at(i).kind == kind;
    }
    const Token &at(int i) const
    {
        return list_[static_cast<std::size_t>(i)];
    }
    int size() const
    {
        return static_cast<int>(list_.size());
    }

    bool is_past_last(int line, int column) const
    {
        return size() > 0 && std::make_pair(list_.back().line, list_.back().column) < std::make_pair(line, column) &&
               find(line, column) == size() - 1;
    }

    // Index of the bracket that closes the one at i; -1 if it is not closed.
    int closing(int i) const
    {
        int depth = 0;
        for (; i < size(); i++) {
            if (is(i, "{") || is(i, "<") || is(i, "["))
                depth++;
            else if (is(i, "}") || is(i, ">") || is(i, "]"))
                if (--depth == 0)
                    return i;
        }
        return -1;
    }
    // Index of the innermost bracket still open at the end; -1 if none is.
    int unclosed() const
    {
        std::vector<int> open;
        for (int i = 0; i < size(); i++) {
            if (is(i, "{") || is(i, "<"))
                open.push_back(i);
            else if ((is(i, "}") || is(i, ">")) && !open.empty())
                open.pop_back();
        }
        return open.empty() ? -1 : open.back();
    }
    // The last token of the statement whose name is token i: its value or its block.
    int statement_end(int i) const
    {
        int j = i + 1;
        if (is(j, ":"))
            j++;
        if (is(j, "{") || is(j, "<") || is(j, "["))
            return closing(j);
        if (is(j, "-"))
            j++;
        while (is_kind(j, Token::STRING) && is_kind(j + 1, Token::STRING))
            j++;
        return j < size() ? j : size() - 1;
    }

  private:
    static bool is_word(char c)
    {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
    }
    void step(std::size_t &i)
    {
        const char c = text_[i++];
        if (c == '\n') {
            line_++;
            column_ = 1;
        } else if (c == '\t') {
            column_ += 8 - (column_ - 1) % 8;
        } else {
            column_++;
        }
    }
    Token start(Token::Kind kind, std::size_t i) const
    {
        return Token { kind, i, i, line_, column_ };
    }
    void finish(Token t, std::size_t i)
    {
        t.end = i;
        list_.push_back(t);
    }

    const std::string &text_;
    std::vector<Token> list_;
    int line_ = 1, column_ = 1;
};

// ---- the parser's words

struct Complaint {
    bool fatal; // the parser stopped here
    int line, column;
    std::string text;
};

class Collector : public google::protobuf::io::ErrorCollector
{
  public:
    void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string &text) override
    {
        list.push_back(Complaint { true, line + 1, column + 1, text });
    }
    void AddWarning(int line, google::protobuf::io::ColumnNumber column, const std::string &text) override
    {
        list.push_back(Complaint { false, line + 1, column + 1, text });
    }
    std::vector<Complaint> list;
};

// The n-th text in quotation marks (from 0); empty if there are fewer.
std::string quotation(const std::string &text, int n)
{
    std::size_t from = 0;
    for (;; n--) {
        const std::size_t open = text.find('"', from);
        const std::size_t close = open == std::string::npos ? open : text.find('"', open + 1);
        if (close == std::string::npos)
            return "";
        if (n == 0)
            return text.substr(open + 1, close - open - 1);
        from = close + 1;
    }
}

bool starts_with(const std::string &text, const char *start)
{
    return text.compare(0, std::strlen(start), start) == 0;
}

std::vector<std::string> field_names(const Descriptor *type)
{
    std::vector<std::string> names;
    for (int i = 0; i < type->field_count(); i++)
        names.push_back(type->field(i)->name());
    return names;
}

// What users call a message: the field that holds it.
std::string message_name(const Descriptor *type)
{
    static const std::pair<const char *, const char *> names[] = {
        { "NetParameter", "a net description" },
        { "SolverParameter", "a solver file" },
        { "LayerParameter", "a layer" },
        { "V1LayerParameter", "a layer (old form)" },
        { "V0LayerParameter", "a layer (oldest form)" },
        { "FillerParameter", "a filler" },
        { "ParamSpec", "param" },
        { "NetStateRule", "an include or exclude rule" },
        { "BlobShape", "a shape" },
        { "NetState", "a net state" },
        { "BlobProto", "a blob" },
        { "NetQuantizationParameter", "quantization" },
    };
    for (const auto &n : names)
        if (type->name() == n.first)
            return n.second;
    const Descriptor *layer = caffe::LayerParameter::descriptor();
    for (int i = 0; i < layer->field_count(); i++)
        if (layer->field(i)->message_type() == type)
            return layer->field(i)->name();
    return type->name();
}

// Whether this field shows that the whole file is of the other kind: a solver file for a net, or a net for a solver
// file.
bool of_other_file(const Descriptor *type, const std::string &field)
{
    const Descriptor *net = caffe::NetParameter::descriptor(), *solver = caffe::SolverParameter::descriptor();
    return (type == net && solver->FindFieldByName(field)) || (type == solver && net->FindFieldByName(field));
}

// Where else a field of this name exists, for one that was written in the wrong block.
std::string elsewhere(const Descriptor *type, const std::string &field)
{
    const Descriptor *layer = caffe::LayerParameter::descriptor();
    if (type != layer && layer->FindFieldByName(field))
        return quoted(field) + " belongs in a layer, outside of this block";
    std::string homes;
    int n = 0;
    for (int i = 0; i < layer->field_count(); i++) {
        const Descriptor *inner = layer->field(i)->message_type();
        if (inner != nullptr && inner != type && inner->FindFieldByName(field))
            homes += (n++ == 0 ? "" : " or ") + layer->field(i)->name();
    }
    return n == 0 || n > 3 ? "" : quoted(field) + " belongs in " + homes;
}

// All values that enumerations in fields of this name have.
std::vector<std::string> enum_values(const std::string &field)
{
    std::vector<std::string> values;
    const auto *file = caffe::NetParameter::descriptor()->file();
    for (int i = 0; i < file->message_type_count(); i++) {
        const FieldDescriptor *f = file->message_type(i)->FindFieldByName(field);
        for (int v = 0; f != nullptr && f->enum_type() != nullptr && v < f->enum_type()->value_count(); v++) {
            const std::string &name = f->enum_type()->value(v)->name();
            if (std::find(values.begin(), values.end(), name) == values.end())
                values.push_back(name);
        }
    }
    return values;
}

std::string list_of(const std::vector<std::string> &words)
{
    std::string list;
    for (const std::string &w : words)
        list += (list.empty() ? "" : ", ") + w;
    return list;
}

// A complaint in our words, at the place of what is wrong.
struct Finding {
    int line, column;
    std::string text, hint;
    bool is_warning = false;
    bool other_file = false;            // the file is of another kind: one such finding says it all
    int blank_from = -1, blank_to = -1; // tokens to blank out before parsing again; -1: no way to go on
};

// Places a finding at a token, if there is one (its index is not negative). Returns the index.
int move_to(const Tokens &tokens, int token, Finding *f)
{
    if (token >= 0) {
        f->line = tokens.at(token).line;
        f->column = tokens.at(token).column;
    }
    return token;
}

// As a sentence of ours begins and ends.
std::string trimmed(std::string text)
{
    if (!text.empty() && text.back() == '.')
        text.pop_back();
    if (!text.empty() && !(text.size() > 1 && std::isupper(static_cast<unsigned char>(text[1]))))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

// "Expected KIND, got: TOKEN": in words that a user of prototxt has.
void explain_expected(const Complaint &c, const Tokens &tokens, int token, Finding *f)
{
    static const std::pair<const char *, const char *> kinds[] = {
        { "Expected integer, got: ", "an integer" },
        { "Expected double, got: ", "a number" },
        { "Expected string, got: ", "a string in quotation marks" },
        { "Expected identifier, got: ", "a name" },
    };
    for (const auto &k : kinds)
        if (starts_with(c.text, k.first)) {
            const std::string got = c.text.substr(std::strlen(k.first));
            f->text = std::string("expected ") + k.second + ", got " + got;
            if (got == "-" && token + 1 < tokens.size()) // where the field takes no sign
                f->text = std::string("expected ") + k.second + " of at least 0, got -" + tokens.text(token + 1);
            if (got == "}" && starts_with(c.text, "Expected identifier"))
                f->hint = "there is one '}' too many, or a '{' is missing before it";
        }
    const std::size_t found = c.text.find("\", found \"");
    if (starts_with(c.text, "Expected \"") && found != std::string::npos)
        f->text = "expected '" + c.text.substr(10, found - 10) + "', got " +
                  c.text.substr(found + 10, c.text.size() - found - 12);
}

// Messages of data layers, to which forks of Caffe add fields of their own. They say how images are read and varied.
bool is_of_data(const Descriptor *type)
{
    static const char *const names[] = { "TransformationParameter", "DataParameter",       "ImageDataParameter",
                                         "MemoryDataParameter",     "WindowDataParameter", "HDF5DataParameter" };
    return std::any_of(std::begin(names), std::end(names), [&](const char *name) { return type->name() == name; });
}

void explain_unknown_field(const Complaint &c, const Tokens &tokens, int token, Finding *f)
{
    const std::string type_name = quotation(c.text, 0), field = quotation(c.text, 1);
    move_to(tokens, tokens.find_back(token, field), f);
    const Descriptor *type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type_name);
    f->text = "unknown field " + quoted(field);
    if (type != nullptr) {
        f->text += " in " + message_name(type);
        f->hint = did_you_mean(field, field_names(type));
        if (of_other_file(type, field)) {
            f->other_file = true;
            f->text = quoted(field) + (type == caffe::NetParameter::descriptor()
                                           ? " belongs in a solver file, expected a net description"
                                           : " belongs in a net description, expected a solver file");
            f->hint.clear();
        } else if (f->hint.empty()) {
            f->hint = elsewhere(type, field);
        }
        if (f->hint.empty() && is_of_data(type)) {
            f->is_warning = true;
            f->text += " is left out: it is about the data of a training";
        }
    }
}

// Fields whose value is wrong: they are blanked out. False: it is something else.
bool explain_value(const Complaint &c, const Tokens &tokens, int token, Finding *f)
{
    if (starts_with(c.text, "Unknown enumeration value of ")) {
        const std::string value = quotation(c.text, 0), field = quotation(c.text, 1);
        const int t = move_to(tokens, tokens.find_back(token, value), f);
        const std::vector<std::string> values = enum_values(field);
        f->text = "unknown value " + value + " of field " + quoted(field) + ", expected one of " + list_of(values);
        if (values.size() > 12)
            f->text = "unknown value " + value + " of field " + quoted(field);
        f->hint = did_you_mean(value, values);
        f->blank_from = t - 2;
        f->blank_to = t;
    } else if (starts_with(c.text, "Invalid value for boolean field ")) {
        const std::string field = quotation(c.text, 0), value = quotation(c.text, 1);
        const int t = move_to(tokens, tokens.find_back(token, value), f);
        f->text = "wrong value " + value + " of field " + quoted(field) + ", expected true or false";
        f->blank_from = t - 2;
        f->blank_to = t;
    } else if (starts_with(c.text, "Non-repeated field ")) {
        const std::string field = quotation(c.text, 0);
        const int t = move_to(tokens, tokens.find_back(token, field), f);
        f->text = "field " + quoted(field) + " is given twice, expected once";
        f->blank_from = t;
        f->blank_to = t >= 0 ? tokens.statement_end(t) : -1;
    } else {
        return false;
    }
    return true;
}

// Errors of the text's form.
void explain_form(const Complaint &c, const Tokens &tokens, int token, Finding *f)
{
    if (tokens.is_past_last(c.line, c.column) && tokens.unclosed() >= 0) {
        const Token &open = tokens.at(tokens.unclosed());
        f->text = "the file ends inside a block, expected '}'";
        f->hint = "the block opens at line " + std::to_string(open.line) + ", column " + std::to_string(open.column);
    } else if (token >= 1 && tokens.is(token - 1, ":")) { // a value of the wrong kind
        f->blank_from = token - 2;
        f->blank_to = tokens.is(token, "-") ? token + 1 : token;
    } else if (token >= 2 && tokens.is(token - 1, "-") && tokens.is(token - 2, ":")) {
        f->blank_from = token - 3;
        f->blank_to = token;
    } else if (starts_with(c.text, "Expected \":\"") && token >= 1) {
        f->blank_from = token - 1;
        f->blank_to = token;
    }
}

Finding explain(const Complaint &c, const Tokens &tokens)
{
    Finding f;
    f.line = c.line;
    f.column = c.column;
    f.text = trimmed(c.text);
    const int token = tokens.find(c.line, c.column);
    explain_expected(c, tokens, token, &f);
    if (starts_with(c.text, "Message type ") && c.text.find(" has no field named ") != std::string::npos) {
        explain_unknown_field(c, tokens, token, &f);
        return f;
    }
    if (!explain_value(c, tokens, token, &f))
        explain_form(c, tokens, token, &f);
    // Only whole statements may go, or the blocks around them would change.
    for (int t = f.blank_from; t >= 0 && t <= f.blank_to && t < tokens.size(); t++)
        if ((tokens.is(t, "{") || tokens.is(t, "}") || tokens.is(t, "<") || tokens.is(t, ">")) &&
            !starts_with(c.text, "Non-repeated field "))
            f.blank_from = -1;
    if (f.blank_from < 0 || f.blank_to < f.blank_from || f.blank_to >= tokens.size())
        f.blank_from = f.blank_to = -1;
    return f;
}

} // namespace

// ---- parsing

// Our fields in comments become fields: the mark in front of them is blanked out, so that places stay.
static void uncover_own_fields(std::string *content)
{
    const std::size_t length = std::strlen(own_fields);
    for (std::size_t at = 0; (at = content->find(own_fields, at)) != std::string::npos; at += length) {
        const std::size_t newline = at == 0 ? std::string::npos : content->rfind('\n', at - 1);
        const std::size_t line = newline == std::string::npos ? 0 : newline + 1;
        if (content->find_first_not_of(" \t", line) == at)
            content->replace(at, length, length, ' ');
    }
}

static rs_status parse(Message *message, Text *text, Report *report)
{
    const rs_loc whole { text->path.c_str(), 0, 0 };
    // Each recovery parses the file once more.
    const std::size_t max_recoveries = std::min<std::size_t>(100, (64u << 20) / (text->content.size() + 1));
    std::string content = text->content;
    if (content.find('\0') != std::string::npos) {
        report->error(whole, "weights (caffemodel) go elsewhere", "this is a binary file, expected text (prototxt)");
        return RS_BAD_INPUT;
    }

    std::vector<Finding> findings;
    for (std::size_t round = 0; round <= max_recoveries; round++) {
        text->tree = std::make_unique<ParseTree>();
        Collector collector;
        google::protobuf::TextFormat::Parser parser;
        parser.RecordErrorsTo(&collector);
        parser.WriteLocationsTo(text->tree.get());
        parser.AllowUnknownField(true); // they come as warnings, and the parser goes on
        parser.SetRecursionLimit(32);
        message->Clear();
        google::protobuf::io::ArrayInputStream stream(content.data(), static_cast<int>(content.size()));
        const bool parsed = parser.Parse(&stream, message);

        const Tokens tokens(content);
        Finding last;
        for (const Complaint &c : collector.list) {
            Finding f = explain(c, tokens);
            const bool known = std::any_of(findings.begin(), findings.end(),
                                           [&](const Finding &g) { return g.line == f.line && g.column == f.column; });
            if (!known)
                findings.push_back(f);
            if (c.fatal) {
                last = f;
                break; // what the parser says after its first error follows from it
            }
        }
        if (parsed) {
            text->complete = true;
            break;
        }
        if (last.blank_from < 0)
            break;
        for (std::size_t i = tokens.at(last.blank_from).begin; i < tokens.at(last.blank_to).end; i++)
            if (content[i] != '\n' && content[i] != '\t')
                content[i] = ' ';
    }

    const auto other = std::find_if(findings.begin(), findings.end(), [](const Finding &f) { return f.other_file; });
    if (other != findings.end()) {
        findings = { *other };
        text->complete = false;
    }
    for (const Finding &f : findings) {
        if (f.is_warning) {
            report->warning(rs_loc { text->path.c_str(), f.line, f.column }, f.hint, f.text);
            continue;
        }
        report->error(rs_loc { text->path.c_str(), f.line, f.column }, f.hint, f.text);
        text->errors.emplace_back(f.line, f.column);
    }
    if (findings.empty() && !text->complete)
        report->error(whole, "", "the text cannot be parsed");
    return report->has_errors() ? RS_BAD_INPUT : RS_OK;
}

Range statement_at(const Text &text, rs_loc loc)
{
    const Tokens tokens(text.content);
    const int name = tokens.find(loc.line, loc.column);
    const int end = name >= 0 ? tokens.statement_end(name) : -1;
    return end < 0 ? Range { 0, 0 } : Range { tokens.at(name).begin, tokens.at(end).end };
}

rs_status read_text(const char *path, Message *message, Text *text, Report *report)
{
    uint8_t *data = nullptr;
    std::size_t size = 0;
    const rs_status st = rs_read_file(path, max_text_bytes, false, &data, &size, report->diag());
    if (st != RS_OK)
        return st;
    try {
        text->path = path;
        const bool marked = size >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf; // a byte-order mark
        text->original.assign(reinterpret_cast<const char *>(data) + (marked ? 3 : 0), size - (marked ? 3 : 0));
    } catch (...) {
        rs_free(data);
        throw;
    }
    rs_free(data);
    return parse_text(message, text, report);
}

rs_status parse_text(Message *message, Text *text, Report *report)
{
    text->content = text->original;
    uncover_own_fields(&text->content);
    return parse(message, text, report);
}

} // namespace ristretto
