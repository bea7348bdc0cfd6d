// Messages, memory, and what becomes of exceptions.
#include "import/common.h"

#include <exception>
#include <stdexcept>

namespace ristretto
{

std::string quoted(const std::string &name)
{
    return "'" + name + "'";
}

std::string did_you_mean(const std::string &word, const std::vector<std::string> &candidates)
{
    std::vector<const char *> list;
    for (const std::string &c : candidates)
        list.push_back(c.c_str());
    const char *nearest = rs_nearest(word.c_str(), list.data(), list.size());
    return nearest != nullptr ? "did you mean " + quoted(nearest) + "?" : "";
}

rs_status bad(rs_diag *diag, rs_loc loc, const std::string &hint, const std::string &text)
{
    return rs_error(diag, RS_BAD_INPUT, loc, hint.empty() ? nullptr : hint.c_str(), "%s", text.c_str());
}

rs_status thrown(rs_diag *diag) noexcept
{
    const rs_loc nowhere { nullptr, 0, 0 };
    try {
        throw;
    } catch (const Failed &failed) {
        return failed.status;
    } catch (const std::bad_alloc &) {
        return rs_out_of_memory(diag);
    } catch (const std::length_error &) { // a container that no memory holds
        return rs_out_of_memory(diag);
    } catch (const std::exception &e) {
        return rs_error(diag, RS_INTERNAL, nowhere, nullptr, "a network cannot be read or written: %s", e.what());
    } catch (...) {
        return rs_error(diag, RS_INTERNAL, nowhere, nullptr, "a network cannot be read or written");
    }
}

char *copy_text(const std::string &text)
{
    char *copy = rs_strndup(text.c_str(), text.size());
    if (copy == nullptr)
        throw std::bad_alloc();
    return copy;
}

} // namespace ristretto
